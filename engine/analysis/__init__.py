"""What finished runs say: lists, comparisons, paired tests."""

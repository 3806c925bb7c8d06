"""Data sets: readers, few-shot sampling, and the demo's image world."""

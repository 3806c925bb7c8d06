"""Data sets: readers, few-shot sampling and the cache of image features."""

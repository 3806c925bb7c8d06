"""Readers of data sets: from files to classes and labelled images."""

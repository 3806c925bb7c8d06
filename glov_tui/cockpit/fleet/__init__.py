"""The fleet: all runs of a sweep on one screen."""

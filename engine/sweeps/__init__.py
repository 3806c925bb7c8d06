"""Sweeps: a grid of settings, one run a cell."""

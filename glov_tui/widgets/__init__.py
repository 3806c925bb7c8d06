"""Reusable widgets that know nothing of GLOV."""

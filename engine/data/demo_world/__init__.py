"""The demo's image world: its words, shapes and images."""

DEMO = "demo-"
"""What the names of its data sets begin with."""

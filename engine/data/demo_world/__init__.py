"""The demo's image world: its words, shapes and images."""

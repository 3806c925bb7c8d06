"""The terminal itself: what it can show, how it is written to and left."""

"""Runs on disk: the folder, its lock, the journal, and what is read from them."""

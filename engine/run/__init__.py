"""A run as facts: its events, its state as their fold, what a person can ask of it."""

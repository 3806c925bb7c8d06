"""The steering lab's rooms: settings as they are typed, and results as lines and tables."""

"""What every room may use: errors, files, text, statistics. Imports nothing of the engine."""

"""What several tests need: small models, runs, terminals. No test imports another."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Of the project."""

"""Ratios, each side by side in one run: see CONTRIBUTING.md."""

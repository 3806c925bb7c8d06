"""Regular expressions that are longer than a line."""

from __future__ import annotations


def alternatives(words: str) -> str:
    """A group of alternatives that may be written over several lines."""
    return "(?:" + "".join(line.strip() for line in words.splitlines()) + ")"

"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 step``, ``2 steps``, ``1,000 classes``.

    ``plural`` is needed where it is not the singular and an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as a sentence has them: ``a``, ``a and b``, ``a, b and c``; ``last`` before the end."""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end

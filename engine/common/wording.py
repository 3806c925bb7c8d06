"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 step``, ``2 steps``, ``1,000 classes``.

    ``plural`` is needed where it is not the singular and an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"

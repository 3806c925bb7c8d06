"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 step``, ``2 steps``, ``1,000 classes``.

    ``plural`` is needed where it is not the singular and an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as a sentence has them: ``a``, ``a and b``, ``a, b and c``; ``last`` before the end."""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def numbers(values: Iterable[int]) -> str:
    """Whole numbers in their order: ``0, 1, 2``, and four or more in a row as ``0 to 999``."""
    rows: list[list[int]] = []
    for value in sorted(set(values)):
        if rows and value == rows[-1][-1] + 1:
            rows[-1].append(value)
        else:
            rows.append([value])
    parts = [f"{row[0]} to {row[-1]}" if len(row) > 3 else ", ".join(map(str, row)) for row in rows]
    return ", ".join(parts)

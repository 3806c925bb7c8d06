"""A dot-and-whisker plot as lines of text: one row per group, all on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from glov_tui.widgets.ticks import PERCENT, NumberFormat, ticks


@dataclass(frozen=True)
class Whisker:
    """A dot at ``mean``, a thin line from ``low`` to ``high``, a thick one over ``inner``."""

    label: str
    mean: float
    low: float
    high: float
    inner: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Ink:
    dot: str
    thick: str
    thin: str
    left: str
    right: str
    tick: str


_UNICODE = _Ink("●", "━", "─", "├", "┤", "┴")
_ASCII = _Ink("o", "=", "-", "|", "|", "+")

_LEAST_PLOT = 16  # columns; labels are cut before the plot gets narrower


def draw_whiskers(
    whiskers: Sequence[Whisker],
    width: int,
    plain: bool = False,
    number: NumberFormat = PERCENT,
) -> list[str]:
    """Lines of at most ``width`` cells: a row each, then the axis and its labels.

    Labels longer than two fifths of the width are cut. ``plain`` draws with ASCII only.
    """
    if not whiskers:
        return []
    ink = _ASCII if plain else _UNICODE
    longest = max(cell_len(one.label) for one in whiskers)
    label_width = min(longest, max(1, min(width * 2 // 5, width - _LEAST_PLOT - 1)))
    columns = max(2, width - label_width - 1)
    ends: list[float] = [x for one in whiskers for x in (one.low, one.high, *(one.inner or ()))]
    margin = max(0.05 * (max(ends) - min(ends)), 0.005)
    low, high = min(ends) - margin, max(ends) + margin

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (columns - 1))

    lines = []
    for one in whiskers:
        cells = [" "] * columns
        first, last = column(one.low), column(one.high)
        cells[first : last + 1] = ink.thin * (last + 1 - first)
        if one.inner is not None:
            start, stop = (column(x) for x in one.inner)
            cells[start : stop + 1] = ink.thick * (stop + 1 - start)
        if last > first:
            cells[first], cells[last] = ink.left, ink.right
        cells[column(one.mean)] = ink.dot
        lines.append(f"{_fitted(one.label, label_width, plain)} {''.join(cells)}".rstrip())
    values, step = ticks(low, high, max(1, columns // 12))
    axis, labels = [ink.thin] * columns, ""
    for value in values:
        axis[column(value)] = ink.tick
        text = number.tick(value, step)
        at = min(max(0, column(value) - len(text) // 2), columns - len(text))
        if at > len(labels) or not labels:
            labels = labels.ljust(at) + text
    blank = " " * (label_width + 1)
    return [*lines, blank + "".join(axis), (blank + labels).rstrip()]


def _fitted(label: str, width: int, plain: bool) -> str:
    if cell_len(label) <= width:
        return set_cell_size(label, width)
    return set_cell_size(label, width - 1) + ("~" if plain else "…")

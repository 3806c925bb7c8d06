"""Lines as dots in braille cells (2 x 4 dots each), or as one character per cell in ASCII."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

BLANK = "\u2800"
"""The empty braille cell: unlike a space it keeps the width of its neighbours in every font."""

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille cell by row (0 is the top) and column of the dot."""


@dataclass(frozen=True)
class Pattern:
    """How a line is told from others without colour: which dots of each period are drawn."""

    name: str
    on: tuple[bool, ...]
    sample: str
    """Two cells for the legend."""
    ascii: str
    """The character that draws the line in ASCII."""


def _pattern(name: str, dots: str, sample: str, ascii_character: str) -> Pattern:
    return Pattern(name, tuple(dot == "x" for dot in dots), sample, ascii_character)


PATTERNS = {
    pattern.name: pattern
    for pattern in (
        _pattern("solid", "x", "━━", "*"),
        _pattern("dashed", "xxxx..", "╺╸", "+"),
        _pattern("dotted", "x.", "··", "."),
        _pattern("dashdot", "xxxx..x..", "━·", "="),
        _pattern("sparse", "x...", "┈┈", "-"),
    )
}
"""Line patterns by name."""


@dataclass(frozen=True)
class Frame:
    """A map from data to pixels: ``width`` x ``height`` pixels (at least 1), row 0 at the top."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int
    height: int

    def column(self, x: float) -> int | None:
        """Pixel column of ``x``; None outside the x range and where x is not a number."""
        low, high = self.x_range
        if not low <= x <= high:
            return None
        if high <= low:
            return 0
        share = (x / 2 - low / 2) / (high / 2 - low / 2)
        return round(share * (self.width - 1)) if math.isfinite(share) else None

    def row(self, y: float) -> int:
        """Pixel row of a finite ``y``, the nearest one for values outside the y range."""
        low, high = self.y_range
        if not high > low:
            return self.height - 1
        # Halves, because the difference of two large numbers can overflow.
        share = (y / 2 - low / 2) / (high / 2 - low / 2)
        return round((1 - min(1.0, max(0.0, share))) * (self.height - 1))


def trace(
    points: Iterable[tuple[float, float]], frame: Frame, steps: bool = False
) -> list[tuple[int, int] | None]:
    """Per pixel column the first and last pixel row that a line through ``points`` covers.

    Points come in the order of x. A value that is not finite leaves a gap. However many points
    share a column, its extremes stay. ``steps`` holds each value until the next point.
    """
    top = [frame.height] * frame.width
    bottom = [-1] * frame.width

    def cover(x: int, first: int, last: int) -> None:
        if first > last:
            first, last = last, first
        if first < top[x]:
            top[x] = first
        if last > bottom[x]:
            bottom[x] = last

    before: tuple[int, int] | None = None
    for x_value, y_value in points:
        x = frame.column(x_value)
        if x is None or not math.isfinite(y_value):
            before = None
            continue
        y = frame.row(y_value)
        if before is None or before[0] == x:
            cover(x, y if before is None else before[1], y)
        elif steps:
            x0, y0 = before
            for between in range(min(x0, x), max(x0, x)):
                cover(between, y0, y0)
            cover(x, y0, y)
        else:
            for between, first, last in _segment(before, (x, y)):
                cover(between, first, last)
        before = (x, y)
    return [(first, last) if last >= 0 else None for first, last in zip(top, bottom, strict=True)]


def _segment(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
    """Columns of a straight line with the rows covered in each, one pixel thick."""
    if start[0] > end[0]:
        start, end = end, start
    (x0, y0), (x1, y1) = start, end
    slope = (y1 - y0) / (x1 - x0)
    if abs(slope) <= 1:
        for x in range(x0, x1 + 1):
            y = round(y0 + slope * (x - x0))
            yield x, y, y
        return
    for x in range(x0, x1 + 1):
        a = y0 + slope * (max(x - 0.5, x0) - x0)
        b = y0 + slope * (min(x + 0.5, x1) - x0)
        low, high = math.ceil(min(a, b)), math.floor(max(a, b))
        yield x, min(low, high), max(low, high)


def dots(runs: Sequence[tuple[int, int] | None], pattern: Pattern) -> Iterator[tuple[int, int]]:
    """The pixels (column, row) of traced runs that ``pattern`` leaves.

    The pattern runs along x where the line is flat and along y where it is steep; it depends on
    the position only, so that a line that grows keeps its old dots. A lone pixel is always drawn.
    """
    on = pattern.on
    period = len(on)
    for x, run in enumerate(runs):
        if run is None:
            continue
        first, last = run
        if first == last:
            lone = not any(runs[max(0, x - 1) : x]) and not any(runs[x + 1 : x + 2])
            if lone or on[x % period]:
                yield x, first
        else:
            for y in range(first, last + 1):
                if on[y % period]:
                    yield x, y


class Dots:
    """Braille cells that collect dots; the last one to draw in a cell gives it its style."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self._bits = [0] * (columns * rows)
        self._styles = [""] * (columns * rows)

    def draw(self, pixels: Iterable[tuple[int, int]], style: str) -> None:
        """Add dots at pixels (column below 2 x columns, row below 4 x rows)."""
        bits, styles, columns = self._bits, self._styles, self.columns
        for x, y in pixels:
            cell = (y >> 2) * columns + (x >> 1)
            bits[cell] |= _BITS[y & 3][x & 1]
            styles[cell] = style

    def cells(self) -> Iterator[tuple[int, int, str, str]]:
        """Column, row, character and style of each cell that has dots."""
        for cell, bits in enumerate(self._bits):
            if bits:
                row, column = divmod(cell, self.columns)
                yield column, row, chr(0x2800 + bits), self._styles[cell]

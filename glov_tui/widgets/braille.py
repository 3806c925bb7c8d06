"""Lines as dots in braille cells (2 x 4 dots each), or as one character per cell in ASCII."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

BLANK = " "
"""In place of the empty braille cell, which fonts without braille draw as a box."""

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


Pixel = tuple[int, int]
"""Column and row of a dot."""


@dataclass(frozen=True)
class Frame:
    """A map from data to pixels: ``width`` x ``height`` pixels (at least 1), row 0 at the top."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int
    height: int

    def pixels(self, points: Iterable[tuple[float, float]]) -> list[Pixel | None]:
        """The pixel of each point: None for an x outside its range or a y that is not finite.

        A y outside its range is moved to the nearest end.
        """
        low, high = self.x_range
        bottom, top = self.y_range
        # Halves, because the difference of two large numbers can overflow.
        x_span, y_span = high / 2 - low / 2, top / 2 - bottom / 2
        x_scale = (self.width - 1) / x_span if 1e-290 < x_span < math.inf else 0.0
        y_scale = (self.height - 1) / y_span if 1e-290 < y_span < math.inf else 0.0
        x_half, y_half, last = low / 2, top / 2, self.height - 1
        result: list[Pixel | None] = []
        append = result.append
        for x, y in points:
            # This loop is most of a chart's cost: no calls in it that can be avoided.
            if low <= x <= high and -math.inf < y < math.inf and -math.inf < x < math.inf:
                if y >= top:
                    row = 0
                elif y <= bottom:
                    row = last
                else:
                    row = int((y_half - y / 2) * y_scale + 0.5)
                append((int((x / 2 - x_half) * x_scale + 0.5), row))
            else:
                append(None)
        return result

    def column(self, x: float) -> int | None:
        """Pixel column of ``x``; None outside the x range."""
        pixel = self.pixels([(x, 0.0)])[0]
        return pixel[0] if pixel is not None else None

    def row(self, y: float) -> int:
        """Pixel row of a finite ``y``."""
        pixel = self.pixels([(self.x_range[0], y)])[0]
        return pixel[1] if pixel is not None else self.height - 1


def trace(pixels: Iterable[Pixel | None], frame: Frame, steps: bool = False) -> list[Pixel | None]:
    """Per pixel column the first and last pixel row that a line through ``pixels`` covers.

    None is a gap. However many pixels share a column, its extremes stay. ``steps`` holds each row
    until the next pixel.
    """
    tops = [frame.height] * frame.width
    bottoms = [-1] * frame.width
    before: Pixel | None = None
    for pixel in pixels:
        if pixel is None:
            before = None
            continue
        if pixel == before:
            continue
        x, first = pixel
        last = first
        if before is not None and (steps or before[0] == x):
            first, last = sorted((before[1], first))
            for between in range(*sorted((before[0], x))):
                tops[between] = min(tops[between], before[1])
                bottoms[between] = max(bottoms[between], before[1])
        elif before is not None:
            for between, low, high in _segment(before, pixel):
                tops[between] = min(tops[between], low)
                bottoms[between] = max(bottoms[between], high)
        if first < tops[x]:
            tops[x] = first
        if last > bottoms[x]:
            bottoms[x] = last
        before = pixel
    return [
        (top, bottom) if bottom >= 0 else None for top, bottom in zip(tops, bottoms, strict=True)
    ]


def _segment(start: Pixel, end: Pixel) -> Iterator[tuple[int, int, int]]:
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


def dots(runs: Sequence[tuple[int, int] | None], pattern: Pattern) -> Iterator[Pixel]:
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

    def draw(self, pixels: Iterable[Pixel], style: str) -> None:
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

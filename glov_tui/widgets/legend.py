"""Series of a chart, what tells them apart without colour, and the legend that says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from glov_tui.widgets.braille import PATTERNS, Pattern
from glov_tui.widgets.cells import text_width
from glov_tui.widgets.ticks import PERCENT, NumberFormat

POINT_GLYPHS = (("●", "o"), ("×", "x"), ("◆", "#"), ("○", "@"))
"""Unicode and ASCII glyphs of series of points, in the order of use."""


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    ``points`` are (x, y) in the order of x; a y that is not finite is a gap. ``kind``: "line" joins
    points, "steps" holds each value until the next, "points" shows single ones (with error bars
    from ``intervals``, one (low, high) per point), "hline" draws the last y across the chart.
    ``color`` names a component class ``line-chart--<color>``: primary, secondary, success, warning,
    error, accent or muted. ``short`` is a name for where room is short; unless ``kind`` is points
    it stands at the end of the line as well. ``pattern`` (a name in ``PATTERNS``) says how it is
    dotted, chosen where it is empty. ``beside``: another figure of each point, called
    ``beside_name``, for the legend only.
    """

    name: str
    points: Sequence[tuple[float, float]] = ()
    color: str = "primary"
    kind: Literal["line", "steps", "points", "hline"] = "line"
    short: str = ""
    pattern: str = ""
    intervals: Sequence[tuple[float, float]] = ()
    beside: Sequence[float] = ()
    beside_name: str = ""
    glyph: int | None = None  # which of ``POINT_GLYPHS``; None: the next one

    @property
    def word(self) -> str:
        """What stands at the end of the line."""
        return "" if self.kind == "points" else self.short


@dataclass(frozen=True)
class Look:
    """What tells a series from the others without colour."""

    pattern: Pattern
    glyph: str
    sample: str


@dataclass(frozen=True)
class Options:
    """How a chart is drawn, apart from its data."""

    y_format: NumberFormat = PERCENT
    x_name: str = ""
    empty: str = "no data yet"
    ascii: bool = False
    legend: bool = True  # whether there is one above the plot


def looks(series: Sequence[Series], ascii_only: bool = False) -> list[Look]:
    """A distinct look for each series, the same whenever the same series are given."""
    lines, points = 0, 0
    result = []
    for one in series:
        place = points if one.glyph is None else one.glyph
        glyph = POINT_GLYPHS[place % len(POINT_GLYPHS)][ascii_only]
        default = ("solid", "dashed", "dotted", "dashdot")[lines % 4]
        if one.kind == "hline":
            default = "sparse"
        elif one.kind == "points":
            points += 1
        else:
            lines += 1
        pattern = PATTERNS.get(one.pattern) or PATTERNS[default]
        sample = pattern.ascii * 2 if ascii_only else pattern.sample
        result.append(Look(pattern, glyph, glyph if one.kind == "points" else sample))
    return result


def bounds(series: Sequence[Series], x_range: tuple[float, float]) -> tuple[float, float]:
    """The smallest and largest finite y that a chart shows; two NaN when there is none."""
    values: list[float] = []
    for one in series:
        if one.kind == "hline":
            values.append(current(one))
            continue
        values.extend(y for x, y in one.points if x_range[0] <= x <= x_range[1])
        if one.kind == "points":
            for (x, _), ends in zip(one.points, one.intervals, strict=False):
                if x_range[0] <= x <= x_range[1]:
                    values.extend(ends)
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (math.nan, math.nan)


def current(series: Series, x: float | None = None) -> float:
    """The last finite value, or the one at ``x``; NaN when there is none."""
    for x_value, y_value in reversed(series.points):
        if math.isfinite(y_value) and (x is None or x_value == x or series.kind == "hline"):
            return y_value
    return math.nan


def _beside(series: Series, options: Options, x: float | None) -> str:
    """The other figure of the value that the legend shows, with its name; empty without one."""
    for (x_value, y_value), figure in zip(
        reversed(series.points), reversed(series.beside), strict=False
    ):
        if math.isfinite(y_value) and (x is None or x_value == x):
            found = math.isfinite(figure)
            return f" {series.beside_name} {options.y_format.value(figure)}" if found else ""
    return ""


def x_values(series: Sequence[Series], x_range: tuple[float, float]) -> list[float]:
    """The distinct x inside the range at which any series has a value, in order."""
    found = {
        x
        for one in series
        if one.kind != "hline"
        for x, y in one.points
        if x_range[0] <= x <= x_range[1] and math.isfinite(y)
    }
    return sorted(found)


Piece = tuple[str, str]
"""Text and its style."""


def legend(
    series: Sequence[Series],
    names: Sequence[Look],
    options: Options,
    width: int,
    rows: int,
    y_range: tuple[float, float],
    cursor: float | None = None,
) -> list[list[Piece]]:
    """At most ``rows`` lines of ``width`` cells, with the sample, name and value of each.

    Where room is short what stands beside values is left out, then names are shortened, then all
    lines but the first are left out: they have words at their ends. Values are padded to the width
    of the ends of the y range, so that the legend stays put.
    """
    values = [options.y_format.value(current(one, cursor)) for one in series]
    value_width = max(
        (text_width(text) for text in [*values, *map(options.y_format.value, y_range)]), default=0
    )
    lines: list[list[Piece]] = []
    for beside, short, fewer, padding in (
        (True, False, False, value_width),
        (False, False, False, value_width),
        (False, True, False, value_width),
        (False, True, True, value_width),
        (False, True, True, 0),
    ):
        items: list[list[Piece]] = []
        if cursor is not None:
            at = NumberFormat().tick(cursor, 1 if float(cursor).is_integer() else 0.01)
            items.append([(f"{options.x_name or 'x'} {at}", "cursor")])
        for number, (one, look, value) in enumerate(zip(series, names, values, strict=True)):
            if fewer and number and one.kind != "points" and cursor is None:
                continue
            name = one.short if short and one.short else one.name
            item = [(look.sample, one.color), (f" {name}", "name")]
            item.append((f" {' ' * (padding - text_width(value))}{value}", "value"))
            if beside and one.beside:
                item.append((_beside(one, options, cursor), "name"))
            items.append(item)
        lines = [[]]
        used = 0
        for item in items:
            size = sum(text_width(text) for text, _ in item)
            if used and used + 2 + size > width:
                lines.append([])
                used = 0
            lines[-1] += [("  ", ""), *item] if used else item
            used += size + (2 if used else 0)
        if len(lines) <= rows and used <= width:
            break
    return lines[:rows]

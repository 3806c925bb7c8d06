"""Axis arithmetic: round tick positions, ranges that rarely move, and how numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class NumberFormat:
    """How values are written: multiplied by ``scale``, with ``decimals``, followed by ``unit``."""

    scale: float = 1.0
    decimals: int = 2
    unit: str = ""

    def value(self, value: float) -> str:
        """``value`` with the fixed number of decimals; a dash where there is none (NaN)."""
        if not math.isfinite(value):
            return "-"
        return f"{value * self.scale:.{self.decimals}f}{self.unit}"

    def tick(self, value: float, step: float) -> str:
        """``value`` with as many decimals as ticks ``step`` apart need, at most 9."""
        shown = abs(step * self.scale)
        decimals = 0
        while decimals < 9 and not math.isclose(shown, round(shown, decimals), rel_tol=1e-6):
            decimals += 1
        text = f"{value * self.scale:.{decimals}f}"
        if float(text) == 0:
            text = text.lstrip("-")
        return text + self.unit


PERCENT = NumberFormat(scale=100.0, decimals=1, unit="%")
"""Fractions from 0 to 1 as percent with one decimal."""


def nice_step(span: float, count: int, whole: bool = False) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that cuts ``span`` in ``count`` at most.

    ``span`` is positive and finite, ``count`` at least 1. ``whole`` steps are whole
    numbers: 1 or more, and never 2.5 times something.
    """
    raw = max(span / max(1, count), 1.0 if whole else 1e-300)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1.0, 2.0, 5.0) if whole else (1.0, 2.0, 2.5, 5.0):
        if factor * power >= raw * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def ticks(low: float, high: float, count: int, whole: bool = False) -> tuple[list[float], float]:
    """Round positions from ``low`` to ``high``, at most ``count`` + 1, and the step between them.

    With ``whole`` they are whole numbers. There are none where the range is empty or not finite.
    """
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [], 1.0
    step = nice_step(span, count, whole)
    if not math.isfinite(step):
        return [], 1.0
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    # A range that is tiny beside its ends has no floating-point numbers to put ticks on.
    if last - first > count or first * step == (first + 1) * step:
        return [], 1.0
    return [index * step for index in range(first, last + 1)], step


def stable_range(
    low: float,
    high: float,
    previous: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
    least: float = 0.0,
) -> tuple[float, float]:
    """A round range that holds ``low`` to ``high``, and ``previous`` while that still serves.

    The range grows by round steps, with room ahead so that it seldom does, and shrinks only when
    the data fill less than a quarter of it. ``limits`` bound what is added
    around the data (0 to 1 for fractions), never the data. A range spans at least ``least``, so
    that noise does not fill the axis before there is more to show.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return previous or limits or (0.0, 1.0)
    low, high = min(low, high), max(low, high)
    # Past this, sums of ranges overflow; nothing that is plotted gets near.
    low, high = max(low, -1e300), min(high, 1e300)
    high = max(high, low)
    span = high - low
    inside = previous is not None and previous[0] <= low and high <= previous[1]
    if previous is not None and inside:
        filled = span / (previous[1] - previous[0])
        if filled >= 0.25 or filled < 1e-9:
            return previous
    size = max(abs(low), abs(high))
    if span < size * 0.01 or not size:
        least = least or size * 0.1 or 1.0
    if span < least:
        bottom, top = min(low, (low + high - least) / 2), max(high, (low + high + least) / 2)
    else:
        # More room on the side where data left the old range: they will go on that way.
        below = 0.4 if previous is not None and low < previous[0] else 0.05
        above = 0.4 if previous is not None and high > previous[1] else 0.15
        bottom, top = low - below * span, high + above * span
    step = nice_step(top - bottom, 8)
    bottom, top = math.floor(bottom / step) * step, math.ceil(top / step) * step
    if limits is not None:
        bottom = max(bottom, min(limits[0], low))
        top = min(top, max(limits[1], high))
    if previous is not None and inside and top - bottom > 0.6 * (previous[1] - previous[0]):
        return previous  # not worth a repaint of everything
    return (bottom, top) if top > bottom else (bottom, bottom + max(1.0, abs(bottom) * 0.1))


def stable_scale(largest: float, previous: float | None = None) -> float:
    """A round upper end of a scale from 0 for values up to ``largest``; ``previous`` if it serves.

    ``previous`` stays while the largest value fills between half and all of it.
    """
    if not math.isfinite(largest) or largest <= 0:
        return previous or 1.0
    largest = min(largest, 1e300)
    if previous is not None and 0.5 * previous <= largest <= previous:
        return previous
    power = 10.0 ** math.floor(math.log10(largest))
    for factor in (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0):
        if factor * power >= largest:
            return factor * power
    return max(10.0 * power, largest)

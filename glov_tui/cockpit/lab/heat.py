"""Seven shades for a number: readable without colour, and without Unicode."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from glov_tui.common.glyphs import ASCII, UNICODE

KL_STEPS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Nats at which the next shade begins: fixed, so that shades mean the same everywhere."""

LEVELS = len(KL_STEPS) + 1
UNICODE_RAMP, ASCII_RAMP = UNICODE.ramp, ASCII.ramp
STYLES = ("dim", "dim", "", "", "note", "note", "bad")
"""Names of the styles of ``glov_tui.widgets.spans``, one for each level."""


def ramp(ascii_only: bool) -> str:
    """One character for each level, from low to high."""
    return ASCII_RAMP if ascii_only else UNICODE_RAMP


def kl_level(kl: float) -> int:
    """The level, 0 to ``LEVELS`` - 1, of so many nats; of no number it is 0."""
    return 0 if math.isnan(kl) else bisect_right(KL_STEPS, kl)


class Scale(NamedTuple):
    """Even steps from the least to the largest of some numbers; from 1 to 0 where there is none."""

    low: float = 1.0
    high: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Scale:
        """Of those that are finite."""
        finite = [value for value in values if math.isfinite(value)]
        return cls(min(finite), max(finite)) if finite else cls()

    def level(self, value: float) -> int:
        """The level of a number, 0 to ``LEVELS`` - 1; 0 too where all are equal."""
        if self.high <= self.low or not math.isfinite(value):
            return 0
        share = (value - self.low) / (self.high - self.low)
        return min(LEVELS - 1, max(0, int(share * LEVELS)))

    def begins(self) -> list[float]:
        """The number at which each level begins, the first one at the least."""
        step = (self.high - self.low) / LEVELS
        return [self.low + step * level for level in range(LEVELS)]


def level_between(value: float, values: Sequence[float]) -> int:
    """The level of ``value`` on the scale from the least to the largest of ``values``."""
    return Scale.of(values).level(value)


def kl_legend(ascii_only: bool) -> str:
    """What the shades mean, in one line of less than 80 cells."""
    shades = ramp(ascii_only)
    steps = [f"{shades[i]} <{step:g}" for i, step in enumerate(KL_STEPS)]
    return f"KL in nats: {'  '.join(steps)}  {shades[-1]} more"

"""Seven shades for a number: readable without colour, and without Unicode."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

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


def level_between(value: float, values: Sequence[float]) -> int:
    """The level of ``value`` on the scale from the least to the largest of ``values``."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite or not math.isfinite(value) or max(finite) == min(finite):
        return 0
    share = (value - min(finite)) / (max(finite) - min(finite))
    return min(LEVELS - 1, max(0, int(share * LEVELS)))


def kl_legend(ascii_only: bool) -> str:
    """What the shades mean, in one line of less than 80 cells."""
    shades = ramp(ascii_only)
    steps = [f"{shades[i]} <{step:g}" for i, step in enumerate(KL_STEPS)]
    return f"KL in nats: {'  '.join(steps)}  {shades[-1]} more"

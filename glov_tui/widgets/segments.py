"""A bar of several parts in one line: told apart by colour, and by letters where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from glov_tui.widgets.spans import Line, Span


class Segment(NamedTuple):
    """``value`` of 0 or more, in a style of its own; ``letter`` is its sign."""

    style: str
    letter: str
    value: float


def segments(parts: Sequence[Segment], scale: float, width: int, colours: bool) -> Line:
    """A bar on a scale from 0 to ``scale`` that is ``width`` cells, with blanks after it.

    Parts get whole cells, so that all together are as long as their sum, to half a cell; what is
    less than that is not seen. With colours a letter stands at the begin of its part only.
    """
    spans: list[Span] = []
    total, drawn = 0.0, 0
    for style, letter, value in parts:
        total += max(0.0, value)
        end = min(width, round(width * total / scale)) if scale > 0 else 0
        cells = end - drawn
        if cells > 0:
            spans.append((letter.ljust(cells) if colours else letter * cells, style))
            drawn = end
    if drawn < width:
        spans.append((" " * (width - drawn), ""))
    return tuple(spans)


def sparkline(past: Sequence[float | None], most: float, ramp: str, width: int) -> str:
    """The last ``width`` values on a scale from 0 to ``most``, right-aligned; a blank for None."""
    cells = [
        " "
        if value is None or most <= 0
        else ramp[max(0, min(int(value / most * len(ramp)), len(ramp) - 1))]
        for value in (past[-width:] if width > 0 else ())
    ]
    return "".join(cells).rjust(width)

"""What a person looks for in a text: the places where it is, and a line of spans with them marked.

What is typed is taken as it is, no pattern: templates are full of ``<``, ``.`` and ``(``. Small
letters stand for capitals too, until a capital is typed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glov_tui.widgets.spans import Line, Span

FOUND, HERE = "found", "here"
"""Styles of a place where it is, and of the one that is looked at."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The characters ``start`` to ``end`` of a line."""

    line: int
    start: int
    end: int


def pattern_of(wanted: str) -> re.Pattern[str]:
    """What finds ``wanted`` as it is, in any case unless it has a capital."""
    return re.compile(re.escape(wanted), 0 if wanted != wanted.lower() else re.IGNORECASE)


def hits_in(lines: Sequence[Line], wanted: str) -> list[Hit]:
    """Every place, from the top; none for an empty text."""
    if not wanted:
        return []
    pattern = pattern_of(wanted)
    return [
        Hit(number, *match.span())
        for number, line in enumerate(lines)
        for match in pattern.finditer("".join([text for text, _ in line]))
    ]


def with_hits(line: Line, hits: Sequence[Hit], here: Hit | None) -> Line:
    """The line with its hits, in their order, in styles of their own."""
    spans: list[Span] = []
    at = 0
    left = list(hits)
    for text, style in line:
        begin, end = at, at + len(text)
        while left and left[0].start < end:
            hit = left[0]
            if at < hit.start:
                spans.append((text[at - begin : hit.start - begin], style))
            stop = min(hit.end, end)
            marked = HERE if hit == here else FOUND
            spans.append((text[max(at, hit.start) - begin : stop - begin], marked))
            at = stop
            if hit.end > end:
                break
            left.pop(0)
        if at < end:
            spans.append((text[at - begin :], style))
        at = end
    return tuple(spans)

"""The end of a template that was cut off: back to where it can stand."""

from __future__ import annotations

import re

from engine.prompts import reply_patterns as pat
from engine.prompts.template import PLACEHOLDER

_OPEN = re.compile(r"[(（\[<{][^()（）\[\]<>{}]*$")  # a bracket that is not closed


def without_cut_end(text: str, longest: int) -> str | None:
    """``text`` without its last, unfinished clause, in at most ``longest`` characters.

    None if no placeholder is left then. Linear in the length of the text.
    """
    first = text.find(PLACEHOLDER)
    kept = first + len(PLACEHOLDER)  # what stays whatever happens
    if first < 0 or kept > longest:
        return None
    text = text[:longest]
    opened = _OPEN.search(text, kept)
    if opened:
        text = text[: opened.start()].rstrip()
    ends = [found.start() for found in pat.CLAUSE.finditer(text, kept)]
    if ends:
        text = text[: ends[-1]]
    elif not opened and len(text) > kept:
        # The last word may be half a word. One that hangs on to the placeholder is its plural.
        text = text[: max(kept, text.rfind(" ", kept))]
    return _without_dangling(text.rstrip(" ,;:，、；：–—-"), kept)


def ends_loosely(text: str) -> bool:
    """Whether a text ends as nothing ends, after its placeholder."""
    kept = text.find(PLACEHOLDER) + len(PLACEHOLDER)
    return bool(pat.DANGLING.search(text, kept) or _OPEN.search(text, kept))


def _without_dangling(text: str, kept: int) -> str:
    """Without words and signs that nothing ends with."""
    while found := pat.DANGLING.search(text, kept):
        text = text[: found.start()].rstrip()
    return text

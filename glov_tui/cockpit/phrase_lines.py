"""The phrases of a template as lines: what each is worth, and what brought it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.analysis.phrase_wording import (
    WHAT_WORTH_IS,
    fairer_words,
    origin_words,
    partial_words,
    worth_words,
)
from engine.analysis.phrases import Phrase
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line

INDENT = "  "


def phrase_lines(phrases: Sequence[Phrase]) -> list[Line]:
    """Two or three lines a phrase under a heading; what they are worth is told by signs, too."""
    if not phrases:
        return []
    lines: list[Line] = [(("", ""),), (("phrases, most worth first", "mark"),)]
    lines.append(((WHAT_WORTH_IS, "dim"),))
    if partial := partial_words(phrases):
        lines.append(((partial, "note"),))
    for phrase in phrases:
        also = "".join(f' and "{clean(text)}"' for text in phrase.also)
        named = (f'"{clean(phrase.text)}"', "strong"), (f"{also}  ", "")
        lines.append((*named, (worth_words(phrase), _style(phrase))))
        lines.append(((INDENT + clean(origin_words(phrase)), "dim"),))
        if fairer := fairer_words(phrase):
            lines.append(((INDENT + fairer, "dim"),))
    return lines


def _style(phrase: Phrase) -> str:
    """Good or bad where the whole interval is."""
    found = phrase.worth.overall
    if found is None or found.interval is None or found.interval[0] <= 0 <= found.interval[1]:
        return ""
    return "good" if found.difference > 0 else "bad"

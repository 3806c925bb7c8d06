"""What two texts have in common and what only one of them has, word by word."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

from engine.prompts.template import PLACEHOLDER
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line, Span

_PIECES = re.compile(rf"{re.escape(PLACEHOLDER)}|.", re.DOTALL)
_JOINER = "\u200d"  # between the signs of one emoji
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Thai, Lao, Burmese, Khmer, kana and Chinese characters: no spaces part their words."""


def _words(text: str) -> list[str]:
    """Words, runs of spaces and signs; single characters of scripts that have no spaces.

    No word ends between a character and its accents, and no emoji is cut.
    """
    words: list[str] = []
    kind, joined = "", False
    for piece in _PIECES.findall(text):
        now = _kind(piece)
        if words and (joined or now == "mark" or (now == kind and now in ("word", "space"))):
            words[-1] += piece
        else:
            words.append(piece)
            kind = now
        joined = piece == _JOINER
    return words


def _kind(piece: str) -> str:
    if piece == PLACEHOLDER or _SPACELESS.match(piece):
        return "sign"
    if piece.isspace():
        return "space"
    if piece.isalnum() or piece == "_":
        return "word"
    is_mark = piece == _JOINER or unicodedata.category(piece).startswith("M")
    return "mark" if is_mark else "sign"


def word_diff(first: str, second: str) -> Line:
    """The first as it differs from the second: ``{+what only it has+}``, ``[-what only the other
    has-]``, as git writes them, so that it reads without colours. The texts are untrusted.
    """
    ours, theirs = _words(first), _words(second)
    # Runs of (what only the second has, what only the first has, what both have behind it).
    runs: list[tuple[str, str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        gone, come = "".join(theirs[a:b]), "".join(ours[c:d])
        if kind != "equal":
            before = runs[-1] if runs else ("", "", " ")
            if runs and not before[2].strip():  # only spaces between: one change
                between = before[2]
                runs[-1] = (before[0] + between + gone, before[1] + between + come, "")
            else:
                runs.append((gone, come, ""))
        elif runs:
            runs[-1] = (*runs[-1][:2], gone)
        else:
            runs.append(("", "", gone))
    spans: list[Span] = []
    for gone, come, both in runs:
        if gone:
            spans.append((f"[-{clean(gone)}-]", "bad"))
        if come:
            spans.append((f"{{+{clean(come)}+}}", "good"))
        if both:
            spans.append((clean(both), ""))
    return tuple(spans)

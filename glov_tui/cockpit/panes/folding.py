"""What templates begin with alike, so that a list can show where they differ."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from rich.cells import cell_len

SHARE = 1 / 3
"""Of the texts, at least, that a folded prefix must be shared by."""
LEAST_TEXTS, LEAST_LENGTH = 3, 8
MOST_TEXTS = 200
"""So many of the first texts decide; a prefix need not be right for all."""


def shared_prefix(texts: Iterable[str], least_texts: int = LEAST_TEXTS) -> str:
    """The run of first words whose folding takes most out of the texts, of those of at least a
    third of them.

    It ends behind a space, and some of each text that has it follows. Empty where there are fewer
    than ``least_texts``, or it is too short to be worth folding.
    """
    words = [text.split(" ") for text, _ in zip(texts, range(MOST_TEXTS), strict=False)]
    least = max(least_texts, SHARE * len(words))
    text, best, most = "", "", 0
    for depth in itertools.count():
        following = Counter(w[depth] for w in words if len(w) > depth + 1)
        word, count = following.most_common(1)[0] if following else ("", 0)
        if count < least:
            break
        text += f"{word} "
        words = [w for w in words if len(w) > depth + 1 and w[depth] == word]
        if count * len(text) >= most:
            best, most = text, count * len(text)
    return best if len(best) >= LEAST_LENGTH else ""


def folded(text: str, prefix: str) -> str:
    """``text`` with an ellipsis in place of ``prefix``, where it begins with it."""
    return f"…{text[len(prefix) :]}" if prefix and text.startswith(prefix) else text


def from_word(text: str, at: int) -> str:
    """``text`` from the word that ``at`` is in on, with an ellipsis for what is before it."""
    begin = text.rfind(" ", 0, at) + 1
    return f"…{text[begin:]}" if begin > 0 else text


def folded_pair(heads: tuple[str, str], texts: tuple[str, str], width: int) -> tuple[str, str]:
    """Two lines, ``head text``; where one is too wide, what both texts begin with is folded."""
    lines = tuple(f"{head}{text}" for head, text in zip(heads, texts, strict=True))
    prefix = shared_prefix(texts, 2) if any(cell_len(line) > width for line in lines) else ""
    first, second = (f"{h}{folded(t, prefix)}" for h, t in zip(heads, texts, strict=True))
    return first, second

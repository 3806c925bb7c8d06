"""What templates begin with alike, so that a list can show where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

SHARE = 2 / 3
"""Of the texts, at least, that a folded prefix must be shared by."""
LEAST_TEXTS, LEAST_LENGTH = 3, 8
MOST_TEXTS = 200
"""So many of the first texts decide; a prefix need not be right for all."""


def shared_prefix(texts: Iterable[str]) -> str:
    """The longest run of first words that at least two thirds of the texts share.

    It ends behind a space, and some of each text that has it follows. Empty where there are too
    few texts, or it is too short to be worth folding.
    """
    words = [text.split(" ") for text, _ in zip(texts, range(MOST_TEXTS), strict=False)]
    least = max(LEAST_TEXTS, SHARE * len(words))
    prefix: list[str] = []
    while True:
        depth = len(prefix)
        following = Counter(w[depth] for w in words if len(w) > depth + 1)
        word, count = following.most_common(1)[0] if following else ("", 0)
        if count < least:
            break
        prefix.append(word)
        words = [w for w in words if len(w) > depth + 1 and w[depth] == word]
    text = "".join(f"{word} " for word in prefix)
    return text if len(text) >= LEAST_LENGTH else ""


def folded(text: str, prefix: str) -> str:
    """``text`` with an ellipsis in place of ``prefix``, where it begins with it."""
    return f"…{text[len(prefix) :]}" if prefix and text.startswith(prefix) else text

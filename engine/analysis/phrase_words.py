"""The words of a template: in runs that punctuation and the placeholder end.

Words are those of a template's identity (``engine.prompts.template.normalise``), so that letter
case, width and kinds of quotes don't matter. They are what spaces and punctuation tell apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from engine.prompts.template import PLACEHOLDER

Words = tuple[str, ...]

# fmt: off
_LINKS = frozenset((
    "a", "an", "the", "this", "that", "its", "it", "which", "there", "and", "or", "but", "as",
    "of", "in", "on", "at", "by", "to", "from", "with", "without", "for", "into", "onto", "under",
    "over", "near", "is", "are", "was", "were", "be", "being",
))
# fmt: on
"""English words that tie others together, and say nothing where nothing follows."""

# A hyphen or an apostrophe is a part of a word between two of its letters only.
_LOOSE = re.compile(r"(?<!\w)['\-]+|['\-]+(?!\w)")


def runs_of_words(key: str) -> tuple[Words, ...]:
    """The words of a template between punctuation and placeholders, none of them empty."""
    return tuple(run for part in _parts(key) for run in part)


def all_words(key: str) -> Words:
    """All words of a template in order, and the placeholder where it stands."""
    return _flat(_parts(key))


def without_links(words: Words) -> Words:
    """The words that say something."""
    return tuple(word for word in words if word not in _LINKS)


def is_phrase(words: Words) -> bool:
    """Whether words in a row are whole: those before "of" and "in the" are not."""
    return bool(words) and words[-1] not in _LINKS


def has_words(run: Words, words: Words) -> bool:
    """Whether they are in the run, one after the other."""
    return next(_places(run, words), None) is not None


def without_words(key: str, words: Words) -> Iterator[Words]:
    """``all_words`` without these, once for each place where they are one after the other."""
    parts = _parts(key)
    for p, part in enumerate(parts):
        for r, run in enumerate(part):
            for at in _places(run, words):
                left = run[:at] + run[at + len(words) :]
                yield _flat((*parts[:p], (*part[:r], left, *part[r + 1 :]), *parts[p + 1 :]))


def _places(run: Words, words: Words) -> Iterator[int]:
    size = len(words)
    return (at for at in range(len(run) - size + 1) if run[at : at + size] == words)


@lru_cache(maxsize=8192)  # of a run's templates each time the same
def _parts(key: str) -> tuple[tuple[Words, ...], ...]:
    """The runs before, between and behind the placeholders."""
    return tuple(_runs(part) for part in key.split(PLACEHOLDER))


def _runs(text: str) -> tuple[Words, ...]:
    text = "".join("\n" if _ends_run(c) else c for c in _LOOSE.sub("\n", text))
    return tuple(tuple(run.split()) for run in text.split("\n") if run.split())


def _flat(parts: tuple[tuple[Words, ...], ...]) -> Words:
    words: list[str] = []
    for number, part in enumerate(parts):
        words += [PLACEHOLDER] * (number > 0)
        words += [word for run in part for word in run]
    return tuple(words)


@lru_cache(maxsize=4096)
def _ends_run(character: str) -> bool:
    """Punctuation and symbols do; marks that are a part of a letter don't."""
    return character not in "'-" and unicodedata.category(character)[0] in "PS"

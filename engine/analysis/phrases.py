"""Where the phrases of a run's templates come from, and what each is worth (docs/glov.md, 10).

A phrase is words in a row that several templates have; punctuation and the placeholder end a row,
and none ends with "of" or the like. Of those that exactly the same templates have the longest is
the phrase. Pure: a function of a ``RunState``, whatever the order of its templates.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.analysis.phrase_words import (
    Words,
    all_words,
    has_words,
    is_phrase,
    runs_of_words,
    without_links,
)
from engine.analysis.phrase_worth import Numbers, Worth, Worths
from engine.common.statistics import Difference
from engine.run.asked import Asked
from engine.run.events import Origin
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState

MOST_PHRASES = 8
"""Of one template, or of one report."""

SAME_SHARE = 0.9
"""A phrase is left out for a longer one that so many of its templates have."""

_END = -1  # of a run of words


@dataclass(frozen=True, slots=True)
class Parent:
    """The example of a question from which a phrase most likely comes."""

    template: ScoredTemplate
    words: int  # of the phrase's ``size``, that it has


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase, what brought it, and what it is worth. Its text is untrusted: clean it."""

    text: str
    also: tuple[str, ...]  # other phrases that exactly the same templates have
    templates: tuple[str, ...]  # identities of all that have it, the first one first
    first: ScoredTemplate
    asked: Asked | None  # how the LLM was asked that wrote the first one; None: it was not asked
    parent: Parent | None  # of the examples that were shown then; None where none was
    worth: Worth

    @property
    def size(self) -> int:
        """How many words it has, without articles and the like."""
        return len(without_links(tuple(self.text.split(" "))))

    @property
    def origin(self) -> Origin:
        """Who brought it."""
        return self.first.origin

    @property
    def is_new(self) -> bool:
        """Whether no example that was shown has any of its words."""
        return self.parent is None or self.parent.words == 0


class PhraseBook:
    """The words of all scored templates of a run, to be asked for phrases."""

    def __init__(self, state: RunState) -> None:
        """Milliseconds for each thousand templates."""
        self._state = state
        self._templates = sorted(state.templates, key=_age)
        self._numbers = {t.key: number for number, t in enumerate(self._templates)}
        self._asked = {(asked.step, asked.attempt): asked for asked in state.asked}
        self._worths = Worths(self._templates, state)
        vocabulary: dict[str, int] = {}
        ids: list[int] = []
        owners: list[int] = []
        for number, template in enumerate(self._templates):
            for run in runs_of_words(template.key):
                ids += [vocabulary.setdefault(word, len(vocabulary)) for word in run]
                ids.append(_END)
                owners += [number] * (len(run) + 1)
        self._vocabulary = vocabulary
        self._ids = np.array(ids, np.int64)
        self._owners = np.array(owners, np.int64)
        order = np.argsort(self._ids, kind="stable")
        found = np.searchsorted(self._ids[order], np.arange(len(vocabulary) + 1))
        self._places = [order[a:b] for a, b in itertools.pairwise(found)]

    def of(
        self, templates: Iterable[ScoredTemplate], most: int = MOST_PHRASES
    ) -> tuple[Phrase, ...]:
        """The phrases of these templates, most worth first.

        Those without a worth come last. Of more than ``most`` those are left out that can least be
        told from chance. ``templates`` must be of the run.
        """
        grouped: dict[bytes, set[Words]] = {}
        supports: dict[bytes, Numbers] = {}
        for template in templates:
            for words, support in self._shared(template):
                key = support.tobytes()
                supports[key] = support
                grouped.setdefault(key, set()).add(words)
        found = [(_longest_first(words), supports[key]) for key, words in grouped.items()]
        weighed = [(-_told(self._worths.overall(s)), words[0], words, s) for words, s in found]
        weighed.sort(key=lambda item: item[:2])
        listed = (item for item in weighed if not _is_said_longer(*item[2:], found))
        phrases = [self._phrase(*item[2:]) for item in itertools.islice(listed, most)]
        return tuple(sorted(phrases, key=_by_worth))

    def _shared(self, template: ScoredTemplate) -> Iterator[tuple[Words, Numbers]]:
        """Runs of words of a template with the numbers of all templates that have them, ascending.

        Words in a row that no other template has are given too, where they are no part of others.
        """
        own = np.array([self._numbers[template.key]])
        for run in runs_of_words(template.key):
            alone: Words = ()
            for begin, word in enumerate(run):
                places = self._places[self._vocabulary[word]]
                owners = self._owners_of(places)
                if owners.size == 1:
                    alone += (word,)
                    continue
                if without_links(alone):
                    yield alone, own
                alone = ()
                end = begin + 1
                while owners.size > 1:
                    if is_phrase(run[begin:end]):
                        yield run[begin:end], owners
                    if end == len(run):
                        break
                    # Behind each place there is another one, a word's or an end's.
                    nexts = self._ids[places + (end - begin)]
                    places = places[nexts == self._vocabulary[run[end]]]
                    owners = self._owners_of(places)
                    end += 1
            if without_links(alone):
                yield alone, own

    def _owners_of(self, places: Numbers) -> Numbers:
        """The numbers of the templates with these places, both ascending."""
        owners = self._owners[places]
        return owners[np.diff(owners, prepend=-1) > 0]

    def _phrase(self, words: Sequence[Words], support: Numbers) -> Phrase:
        having = [self._templates[number] for number in support]
        first = having[0]
        asked, parent = None, None
        if first.origin == "llm":
            asked = self._asked.get((first.first.step, first.first.attempt))
            parent = self._parent(words[0], first, asked)
        also = [
            w for w in words[1:] if not any(has_words(longer, w) for longer in words if longer != w)
        ]
        return Phrase(
            text=" ".join(words[0]),
            also=tuple(" ".join(w) for w in also),
            templates=tuple(t.key for t in having),
            first=first,
            asked=asked,
            parent=parent,
            worth=self._worths.of(words[0], support),
        )

    def _parent(self, words: Words, first: ScoredTemplate, asked: Asked | None) -> Parent | None:
        """Of the examples the one with most of the phrase's words, else nearest to ``first``."""
        shown = [self._state.find(key) for key in asked.shown] if asked is not None else []
        known = [template for template in shown if template is not None]
        if not known:
            return None
        phrase, whole = Counter(without_links(words)), Counter(all_words(first.key))

        def nearness(template: ScoredTemplate) -> tuple[int, float]:
            own = Counter(all_words(template.key))
            common = (own & whole).total()
            return (own & phrase).total(), 2 * common / (own.total() + whole.total() or 1)

        best = max(known, key=nearness)  # of equal ones the first: the best of them
        return Parent(best, nearness(best)[0])


def _age(template: ScoredTemplate) -> tuple[int, bool, int, int, str]:
    """What sorts templates by when they came up first.

    A person who injects one in a step, or after it, may have read its replies; these have not read
    the person's, which is no example before the next step. So they count as earlier.
    """
    first = template.first
    is_human = template.origin == "human"
    return first.step, is_human, first.attempt, first.candidate, template.key


def _longest_first(words: Iterable[Words]) -> list[Words]:
    return sorted(words, key=lambda w: (-len(w), -len(" ".join(w)), w))


def _is_said_longer(
    words: Sequence[Words],
    support: Numbers,
    found: Iterable[tuple[Sequence[Words], Numbers]],
) -> bool:
    """Whether a longer phrase, with this one in it, is of nearly the same templates."""
    return any(
        other.size >= SAME_SHARE * support.size
        and len(longer[0]) > len(words[0])
        and has_words(longer[0], words[0])
        for longer, other in found
    )


def _told(overall: Difference | None) -> float:
    """How surely a worth can be told from none: its size in standard errors."""
    if overall is None:
        return -1.0
    if not overall.difference:
        return 0.0
    return abs(overall.difference) / overall.error if overall.error else math.inf


def _by_worth(phrase: Phrase) -> tuple[bool, float, int, str]:
    overall = phrase.worth.overall
    worth = 0.0 if overall is None else overall.difference
    return overall is None, -worth, -len(phrase.templates), phrase.text

"""All scored templates of a run as a value that grows without being copied.

States of a run are never changed, and each has its own templates. All of them share one log that
only grows, and each knows how much of it is its own: a new template costs the same however many
there are. Two states that go on differently from the same one are rare (a step that begins again,
a replay that goes back); the second of them takes a copy.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TypeVar

from engine.run.ranking import Proposal, ScoredTemplate, place

_T = TypeVar("_T")
_Numbered = dict[int, list[tuple[int, _T]]]


@dataclass(slots=True, eq=False)
class _Log:
    """Shared by all values that grew from one another.

    Entries are templates, repeats of them and new scores of them. The latter two are kept by the
    index of their template, with the numbers of their entries, ascending.
    """

    entries: list[int] = field(default_factory=list)  # of each the index of its template
    templates: list[ScoredTemplate] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)  # key -> index in templates
    repeats: _Numbered[Proposal] = field(default_factory=dict)
    scores: _Numbered[ScoredTemplate] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.entries)


class TemplateLog:
    """Distinct templates, first seen first, each with its score: an immutable value.

    Each knows which replies repeated it. Of several scores of one, that on most examples counts.

    Any thread may read it while another one grows others from it. What a reader has ranked once is
    not ranked again by those who read later values: only what came since takes its place.
    """

    __slots__ = ("_by_people", "_count", "_images", "_listed", "_log", "_scores", "_size")

    def __init__(self) -> None:
        self._log = _Log()
        self._size = 0  # entries of the log that are this value's
        self._count = 0  # templates among them
        self._scores = 0  # templates and new scores among them
        self._images = 0
        self._by_people: tuple[int, ...] = ()  # indices
        self._listed = _Listed(0, (), ())  # as this value or one before it had it

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        return self._log.index.get(key, self._count) < self._count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TemplateLog) and self.all == other.all

    __hash__ = None  # type: ignore[assignment]  # as any state: compared, and never a key

    @property
    def scores(self) -> int:
        """How many scores it has taken: a later value of the same run with as many ranks alike."""
        return self._scores

    @property
    def images(self) -> int:
        """How many images the scores of all templates rest on, together."""
        return self._images

    @property
    def all(self) -> tuple[ScoredTemplate, ...]:
        """All templates, first seen first."""
        return self._up_to_date().all

    @property
    def ranking(self) -> tuple[ScoredTemplate, ...]:
        """The same, best first: see ``engine.run.ranking.ranked``."""
        return self._up_to_date().ranking

    def __iter__(self) -> Iterator[ScoredTemplate]:
        """First seen first, without a list of all."""
        return map(self._at, range(self._count))

    def since(self, step: int) -> list[ScoredTemplate]:
        """Those that were first seen in this step or later, without a list of all."""
        found = []
        for index in reversed(range(self._count)):
            template = self._at(index)
            if template.first.step >= step:
                found.append(template)
            elif template.origin != "human":  # a person's may have waited for a step or two
                break
        return found[::-1]

    def rank(self, key: str) -> int | None:
        """Where a template stands in the ranking, from 0; None if there is none with this key."""
        template = self.find(key)
        return None if template is None else self._rank(self.ranking, template)

    @property
    def by_people(self) -> tuple[ScoredTemplate, ...]:
        """A person's templates, first seen first, without a list of all."""
        return tuple(map(self._at, self._by_people))

    def find(self, key: str) -> ScoredTemplate | None:
        """The template with this identity."""
        index = self._log.index.get(key, self._count)
        return self._at(index) if index < self._count else None

    def with_template(self, template: ScoredTemplate) -> TemplateLog:
        """One more template; of one that is there, only a score on more examples is taken."""
        index = self._log.index.get(template.key, self._count)
        is_known = index < self._count
        seen = self._at(index).n if is_known else 0
        if is_known and template.n <= seen:
            return self
        with self._log.lock:
            log = self._own_log()
            if is_known:
                log.scores.setdefault(index, []).append((log.size, template))
            else:
                index = log.index[template.key] = len(log.templates)
                log.templates.append(template)
            return self._grown(log, index, self._scores + 1, template.n - seen)

    def with_repeat(self, key: str, seen: Proposal) -> TemplateLog:
        """The template with this key was proposed again; without such a one nothing changes."""
        index = self._log.index.get(key, self._count)
        if index >= self._count:
            return self
        with self._log.lock:
            log = self._own_log()
            log.repeats.setdefault(index, []).append((log.size, seen))
            return self._grown(log, index, self._scores)

    def _at(self, index: int) -> ScoredTemplate:
        template = self._log.templates[index]
        if scores := self._own(self._log.scores, index):
            template = template.scored_as(scores[-1])
        again = self._own(self._log.repeats, index)
        return replace(template, again=(*template.again, *again)) if again else template

    def _own(self, numbered: _Numbered[_T], index: int) -> list[_T]:
        entries = numbered.get(index, ())
        return [kept for _, kept in takewhile(lambda entry: entry[0] < self._size, entries)]

    def _own_log(self) -> _Log:
        """The log to grow: a copy where another value has grown from this one before."""
        if self._log.size == self._size:
            return self._log
        templates = self._log.templates[: self._count]
        index = {template.key: number for number, template in enumerate(templates)}
        return _Log(
            self._log.entries[: self._size],
            templates,
            index,
            self._all_own(self._log.repeats),
            self._all_own(self._log.scores),
        )

    def _all_own(self, numbered: _Numbered[_T]) -> _Numbered[_T]:
        own = {
            index: [entry for entry in entries if entry[0] < self._size]
            for index, entries in numbered.items()
        }
        return {index: entries for index, entries in own.items() if entries}

    def _grown(self, log: _Log, index: int, scores: int, images: int = 0) -> TemplateLog:
        """The value of all of a log that an entry on this template is added to."""
        log.entries.append(index)
        grown = TemplateLog.__new__(TemplateLog)
        grown._log, grown._size, grown._count = log, log.size, len(log.templates)
        grown._scores, grown._images = scores, self._images + images
        grown._listed = self._listed
        is_new = grown._count > self._count
        is_by_person = is_new and log.templates[index].origin == "human"
        grown._by_people = (*self._by_people, index) if is_by_person else self._by_people
        return grown

    def _up_to_date(self) -> _Listed:
        """Both lists of this value, made of those of the last value that anyone asked for them."""
        before = self._listed
        if before.size < self._size:
            changed = sorted(set(self._log.entries[before.size : self._size]))
            listed, ranking = list(before.all), list(before.ranking)
            few = len(changed) < max(8, self._count // 8)  # else it is quicker to sort all
            for index in changed:
                template = self._at(index)
                if index == len(listed):
                    listed.append(template)
                else:
                    if few:
                        del ranking[self._rank(ranking, listed[index])]
                    listed[index] = template
                if few:
                    ranking.insert(self._rank(ranking, template), template)
            if not few:
                ranking = sorted(listed, key=self._place)
            self._listed = _Listed(self._size, tuple(listed), tuple(ranking))
        return self._listed

    def _rank(self, ranking: Sequence[ScoredTemplate], template: ScoredTemplate) -> int:
        """Where it is in a ranking, or belongs."""
        return bisect.bisect_left(ranking, self._place(template), key=self._place)

    def _place(self, template: ScoredTemplate) -> tuple[float, float, int, bool, int]:
        """By which rankings are sorted: no two are alike."""
        return (*place(template), self._log.index[template.key])


@dataclass(frozen=True, slots=True)
class _Listed:
    """All templates of the first ``size`` entries of a log, and the same in their order."""

    size: int
    all: tuple[ScoredTemplate, ...]
    ranking: tuple[ScoredTemplate, ...]

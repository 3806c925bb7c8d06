"""All scored templates of a run as a value that grows without being copied.

States of a run are never changed, and each has its own templates. All of them share one log that
only grows, and each knows how much of it is its own: a new template costs the same however many
there are. Two states that go on differently from the same one are rare (a step that begins again,
a replay that goes back); the second of them takes a copy.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TypeVar

from engine.run.ranking import Proposal, ScoredTemplate, ranked

_T = TypeVar("_T")
_Numbered = dict[int, list[tuple[int, _T]]]


@dataclass(slots=True, eq=False)
class _Log:
    """Shared by all values that grew from one another.

    Entries are templates, repeats of them and new scores of them. The latter two are kept by the
    index of their template, with the numbers of their entries, ascending.
    """

    size: int = 0  # entries
    templates: list[ScoredTemplate] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)  # key -> index in templates
    repeats: _Numbered[Proposal] = field(default_factory=dict)
    scores: _Numbered[ScoredTemplate] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class TemplateLog:
    """Distinct templates, first seen first, each with its score: an immutable value.

    Each knows which replies repeated it. Of several scores of one, that on most examples counts.

    Any thread may read it while another one grows others from it.
    """

    __slots__ = ("_all", "_count", "_log", "_ranking", "_scores", "_size")

    def __init__(self) -> None:
        self._log = _Log()
        self._size = 0  # entries of the log that are this value's
        self._count = 0  # templates among them
        self._scores = 0  # templates and new scores among them
        self._all: tuple[ScoredTemplate, ...] | None = None
        self._ranking: tuple[ScoredTemplate, ...] | None = None

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
    def all(self) -> tuple[ScoredTemplate, ...]:
        """All templates, first seen first."""
        if self._all is None:
            self._all = tuple(self._at(index) for index in range(self._count))
        return self._all

    @property
    def ranking(self) -> tuple[ScoredTemplate, ...]:
        """The same, best first: see ``engine.run.ranking.ranked``."""
        if self._ranking is None:
            self._ranking = tuple(ranked(self.all))
        return self._ranking

    def find(self, key: str) -> ScoredTemplate | None:
        """The template with this identity."""
        index = self._log.index.get(key, self._count)
        return self._at(index) if index < self._count else None

    def with_template(self, template: ScoredTemplate) -> TemplateLog:
        """One more template; of one that is there, only a score on more examples is taken."""
        index = self._log.index.get(template.key, self._count)
        is_known = index < self._count
        if is_known and template.n <= self._at(index).n:
            return self
        with self._log.lock:
            log = self._own_log()
            if is_known:
                log.scores.setdefault(index, []).append((log.size, template))
            else:
                log.index[template.key] = len(log.templates)
                log.templates.append(template)
            return self._grown(log, self._scores + 1)

    def with_repeat(self, key: str, seen: Proposal) -> TemplateLog:
        """The template with this key was proposed again; without such a one nothing changes."""
        index = self._log.index.get(key, self._count)
        if index >= self._count:
            return self
        with self._log.lock:
            log = self._own_log()
            log.repeats.setdefault(index, []).append((log.size, seen))
            return self._grown(log, self._scores)

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
            self._size,
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

    def _grown(self, log: _Log, scores: int) -> TemplateLog:
        """The value of all of a log that one entry was just added to."""
        log.size += 1
        grown = TemplateLog.__new__(TemplateLog)
        grown._log, grown._size, grown._count = log, log.size, len(log.templates)
        grown._scores = scores
        grown._all = grown._ranking = None
        return grown

"""The templates in the order of their ranks, each row made when it is looked at."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.run.template_log import TemplateLog


@dataclass(frozen=True, slots=True)
class Row:
    """One template as the table shows it; ``climbed`` is its change of rank since a step ago."""

    rank: int
    template: ScoredTemplate
    climbed: int | None  # None: new in the last step


class Ranked(Sequence[Row]):
    """The rows in the order of the ranking, each made when it is looked at.

    So a run with many templates costs no more to show than one with few.
    """

    def __init__(self, state: RunState) -> None:
        self._scored, last = state.scored, state.steps_done
        new = state.scored.since(last)
        ranks = (state.scored.rank(t.key) for t in new)
        self._new = sorted(rank for rank in ranks if rank is not None)
        self._has_steps = last > 0
        self.keys = RankedKeys(state.scored)

    def __len__(self) -> int:
        return len(self._scored)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        template = self._scored.ranking[index]
        above = bisect.bisect_left(self._new, index)  # those that are new
        is_new = above < len(self._new) and self._new[above] == index
        climbed = (None if self._has_steps else 0) if is_new else -above
        return Row(index + 1, template, climbed)


class RankedKeys(Sequence[str]):
    """Their keys."""

    def __init__(self, scored: TemplateLog) -> None:
        self._scored = scored

    def __len__(self) -> int:
        return len(self._scored)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [template.key for template in self._scored.ranking[index]]
        return self._scored.ranking[index].key

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._scored

    def index(self, key: str, start: int = 0, stop: int | None = None) -> int:
        """The rank of a key, from 0."""
        rank = self._scored.rank(key)
        if rank is None or rank not in range(len(self))[start:stop]:
            raise ValueError(f"{key!r} is no template")
        return rank


SORTS: dict[str, Callable[[Row], Any]] = {
    "rank": lambda row: row.rank,
    "newest": lambda row: (-row.template.first.step, row.rank),
    "origin": lambda row: (row.template.origin != "human", row.template.origin, row.rank),
    "template": lambda row: row.template.key,
}

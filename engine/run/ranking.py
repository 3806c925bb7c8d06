"""Scored templates: their order, the in-context examples and the anchors P+ and P-.

Pure functions over immutable records, used by the fold and by the optimiser.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from engine.common.statistics import wilson_interval
from engine.run.events import Origin


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where a template came from: step (0 for the seed), attempt and candidate number."""

    step: int
    attempt: int
    candidate: int


@dataclass(frozen=True, slots=True)
class ScoredTemplate:
    """A distinct template with its few-shot score. ``key`` identifies it (normalised text)."""

    key: str
    text: str
    origin: Origin
    first: Proposal
    hits: int
    n: int
    margin: float  # mean log-likelihood of the true class, nats
    class_hits: tuple[int, ...]  # in the order of the data set's classes
    reply: str = ""  # the raw reply it was parsed from
    again: tuple[Proposal, ...] = ()  # later replies with the same normalised text

    @property
    def accuracy(self) -> float:
        """Share of training images classified right, 0 to 1."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return wilson_interval(self.hits, self.n)


def ranked(templates: Iterable[ScoredTemplate]) -> list[ScoredTemplate]:
    """Best first: by accuracy, then margin, then first seen (``templates`` is in that order).

    Of templates of one step a person's count as seen first: when within the step one was injected
    must not matter, since a step that is cut off begins again with it.
    """
    return sorted(templates, key=_rank)


def _rank(template: ScoredTemplate) -> tuple[float, float, int, bool]:
    return (
        -template.accuracy,
        -template.margin,
        template.first.step,
        template.origin == "llm",
    )


def best_and_worst(
    ranking: Sequence[ScoredTemplate], k: int, pinned: Set[str] = frozenset()
) -> tuple[list[ScoredTemplate], list[ScoredTemplate]]:
    """The k best and the k worst of a ranking, both from low to high accuracy (PAPER, 2).

    A template is never in both: with fewer than 2k templates the better half, rounded up, counts
    as best and the rest as worst. Pinned templates are always among the best, in place of the
    lowest of them.
    """
    n_best = min(k, (len(ranking) + 1) // 2)
    kept = [t for t in ranking if t.key in pinned]
    others = [t for t in ranking if t.key not in pinned]
    n_others = max(0, n_best - len(kept))
    best = ranked([*kept, *others[:n_others]])
    rest = others[n_others:]
    return best[::-1], rest[::-1][:k]


def find_anchors(
    ranking: Sequence[ScoredTemplate],
) -> tuple[ScoredTemplate, ScoredTemplate] | None:
    """P+, the best template, and P-, the best one of strictly lower accuracy (PAPER, 4).

    None while all templates tie, since then no direction is better than another.
    """
    if not ranking:
        return None
    positive = ranking[0]
    negative = next((t for t in ranking if t.accuracy < positive.accuracy), None)
    return None if negative is None else (positive, negative)


def anchors_after(
    ranking: Sequence[ScoredTemplate], seed: ScoredTemplate | None
) -> tuple[str, str] | None:
    """Keys of the anchors that this ranking gives, None without an improvement over the seed."""
    found = find_anchors(ranking)
    if found is None or seed is None or found[0].accuracy <= seed.accuracy:
        return None
    return found[0].key, found[1].key

"""Scored templates: their order, the in-context examples and the anchors P+ and P-.

Pure functions over immutable records, used by the fold and by the optimiser.

A score is worth as much as the examples that it rests on. With as many each (the whole training
split) templates are compared by accuracy, as in the paper. A score of fewer examples is compared by
what its accuracy is at least, where the best are looked for, and by what it is at most, where the
worst are: the ends of its 95 % Wilson interval. With equally many examples that is the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.common.intervals import wilson_interval
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
    n: int  # training images that were looked at, all of them or some
    margin: float  # mean log-likelihood of the true class, nats
    class_hits: tuple[int, ...]  # in the order of the data set's classes
    right: str = ""  # as TemplateScored has it
    reply: str = ""  # the raw reply it was parsed from
    again: tuple[Proposal, ...] = ()  # later replies with the same normalised text
    probability: float | None = None  # mean of the true class, 0 to 1; None: not known
    unnamed: int = 0  # of the images that were looked at: the answer names no class

    @property
    def accuracy(self) -> float:
        """Share of training images classified right, 0 to 1."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return _interval(self.hits, self.n)

    @property
    def at_least(self) -> float:
        """Lower end of the interval: what is good by this is good whatever was left out."""
        return self.interval[0]

    @property
    def at_most(self) -> float:
        """Upper end of the interval: what is bad by this is bad whatever was left out."""
        return self.interval[1]

    def scored_as(self, other: ScoredTemplate) -> ScoredTemplate:
        """The same template with the score of ``other``, one of the same key."""
        return replace(
            self,
            hits=other.hits,
            n=other.n,
            margin=other.margin,
            probability=other.probability,
            class_hits=other.class_hits,
            unnamed=other.unnamed,
            right=other.right,
        )


@lru_cache(maxsize=4096)  # few scores are distinct, and a ranking asks for all of them
def _interval(hits: int, n: int) -> tuple[float, float]:
    return wilson_interval(hits, n)


def ranked(templates: Iterable[ScoredTemplate]) -> list[ScoredTemplate]:
    """Best first: by ``at_least``, then margin, then first seen (``templates`` is in that order).

    Of templates of one step a person's count as seen first: when within the step one was injected
    must not matter, since a step that is cut off begins again with it.
    """
    return sorted(templates, key=place)


def place(template: ScoredTemplate) -> tuple[float, float, int, bool]:
    """What ``ranked`` sorts by."""
    return (-template.at_least, *_tied(template))


def _worst_last(templates: Iterable[ScoredTemplate]) -> list[ScoredTemplate]:
    """By ``at_most``, ties as in ``ranked``, which it is where all ``n`` are equal."""
    return sorted(templates, key=lambda t: (-t.at_most, *_tied(t)))


def _tied(template: ScoredTemplate) -> tuple[float, int, bool]:
    return -template.margin, template.first.step, template.origin == "llm"


def best_and_worst(
    ranking: Sequence[ScoredTemplate],
    k: int,
    pinned: Set[str] = frozenset(),
    has_partial: bool = True,
) -> tuple[list[ScoredTemplate], list[ScoredTemplate]]:
    """The k best and the k worst of a ranking, both from low to high accuracy (docs/glov.md, 2).

    The best are those that are good by ``at_least``, the worst those that are bad by ``at_most``,
    and both are ordered so. A template is never in both: with fewer than 2k templates the better
    half, rounded up, counts as best and the rest as worst. Pinned templates are always among the
    best, in place of the lowest of them. ``has_partial`` says whether some scores may rest on fewer
    images than others; where none does, nothing needs to be sorted.
    """
    n_best = min(k, (len(ranking) + 1) // 2)
    kept = [t for t in ranking if t.key in pinned] if pinned else []
    others = [t for t in ranking if t.key not in pinned] if pinned else ranking
    n_others = max(0, n_best - len(kept))
    best = ranked([*kept, *others[:n_others]])
    rest = others[n_others:]
    if has_partial:  # else it has that order
        rest = _worst_last(rest)
    return best[::-1], [*rest[: -k - 1 : -1]]


def from_contender(
    ranking: Iterable[ScoredTemplate], is_partial: Callable[[ScoredTemplate], bool]
) -> list[ScoredTemplate]:
    """The ranking from the first template on that can be P+: one that has seen all images."""
    return list(itertools.dropwhile(is_partial, ranking))


def find_anchors(
    ranking: Sequence[ScoredTemplate],
) -> tuple[ScoredTemplate, ScoredTemplate] | None:
    """P+, the best template, and P-, the best one that is strictly worse (docs/glov.md, 4).

    Worse by ``at_least``, so that a score of a few examples is never P+ before one of all that is
    surer. None while all templates tie, since then no direction is better than another.
    """
    if not ranking:
        return None
    positive = ranking[0]
    negative = next((t for t in ranking if t.at_least < positive.at_least), None)
    return None if negative is None else (positive, negative)


def anchors_after(
    ranking: Sequence[ScoredTemplate], seed: ScoredTemplate | None
) -> tuple[str, str] | None:
    """Keys of the anchors that this ranking gives, None without an improvement over the seed."""
    found = find_anchors(ranking)
    if found is None or seed is None or found[0].at_least <= seed.at_least:
        return None
    return found[0].key, found[1].key

"""Why one template of a run is better than another: which training images only one of them gets
right, which classes gain, and what is taken for what. For people; the search knows nothing of it.

Read from the run's folder; no model is loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.analysis.image_predictions import ImageSample, Made, image_source, read_made
from engine.analysis.paired import ClassChange, changed, class_changes, paired_hits
from engine.common.bits import text_to_bits
from engine.common.statistics import PairedHits
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.storage.predictions import RunPredictions

MOST_IMAGES = 6
"""That are shown of those that only one of two gets right."""


@dataclass(frozen=True, slots=True)
class PairedImage:
    """One image, and what both made of it."""

    first: ImageSample
    second: ImageSample


@dataclass(frozen=True, slots=True)
class TakenFor:
    """``count`` images of a class that two templates took for different ones. Untrusted names."""

    truth: str
    first: str | None  # None: the answer names no class
    second: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Why:
    """Two templates on the training images that both were shown.

    Where it is not known what they made of each image, ``unknown`` says why; then there is what
    their scores alone say: ``hits`` of a race, ``changes`` where both were shown all images.
    """

    first: ScoredTemplate
    second: ScoredTemplate
    hits: PairedHits | None  # None: not known
    p: float  # of McNemar's test on them; 1 where they are not known
    changes: tuple[ClassChange, ...] | None  # None: not known
    taken: tuple[TakenFor, ...] = ()  # the most frequent first
    only_first: tuple[PairedImage, ...] = ()  # the most telling first
    only_second: tuple[PairedImage, ...] = ()
    unseen: str | None = None  # why no image can be shown
    unknown: str | None = None


def why_better(folder: Path, first: ScoredTemplate, second: ScoredTemplate, state: RunState) -> Why:
    """Compare two scored templates of the run in ``folder``; ``state`` is the run's."""
    store = RunPredictions(folder)
    one, other = (read_made(folder, each, state, store) for each in (first, second))
    unknown = [made for made in (one, other) if isinstance(made, str)]
    if isinstance(one, str) or isinstance(other, str):
        return _by_scores(first, second, state, unknown[0])
    shared = one.seen & other.seen
    if not shared.any():
        nothing = "They were shown no image in common."
        return Why(first, second, None, 1.0, None, unknown=nothing)
    rows = np.flatnonzero(shared)
    only_first = _telling(np.flatnonzero(one.right & shared & ~other.right), one, other)
    only_second = _telling(np.flatnonzero(other.right & shared & ~one.right), other, one)
    paths = [one.index.images[row].path for row in (*only_first, *only_second)]
    source, unseen = image_source(folder, one.index, paths, state)

    def both(some: Iterable[int]) -> tuple[PairedImage, ...]:
        return tuple(PairedImage(one.sample(r, source), other.sample(r, source)) for r in some)

    hits = paired_hits(one.right[rows], other.right[rows])
    return Why(
        first,
        second,
        hits,
        hits.p,
        class_changes(one.names, one.labels[rows], one.right[rows], other.right[rows]),
        _taken_for(rows.tolist(), one, other),
        both(only_first),
        both(only_second),
        unseen,
    )


def _by_scores(first: ScoredTemplate, second: ScoredTemplate, state: RunState, unknown: str) -> Why:
    """What is in the journal: which images of a race each was right on, and the hits by class."""
    hits, p = None, 1.0
    if first.right and second.right:  # in one order, which is the run's
        n = min(first.n, second.n)
        one, other = (
            np.array(text_to_bits(each.right, each.n)[:n], bool) for each in (first, second)
        )
        hits = paired_hits(one, other)
        p = hits.p
    changes: tuple[ClassChange, ...] | None = None
    if not (state.is_partial(first) or state.is_partial(second)):
        both = zip(state.class_hits(first), state.class_hits(second), strict=True)
        counts = [(name, n, ours, theirs) for (name, ours, n), (_, theirs, _) in both]
        changes = changed(counts)
    return Why(first, second, hits, p, changes, unknown=unknown)


def _telling(rows: NDArray[np.intp], right: Made, wrong: Made) -> list[int]:
    """Images that one is right on and the other is not: of each class the one on which they are
    furthest apart, then its next one.
    """
    labels = right.labels[rows]
    gain = right.found.log_probabilities[rows, labels].astype(np.float32)
    gain -= wrong.found.log_probabilities[rows, labels].astype(np.float32)
    seen: Counter[int] = Counter()
    order: list[tuple[int, float, int]] = []
    for place in np.argsort(-gain, kind="stable").tolist():
        label = int(labels[place])
        order.append((seen[label], -float(gain[place]), int(rows[place])))
        seen[label] += 1
    return [row for _, _, row in sorted(order)[:MOST_IMAGES]]


def _taken_for(rows: list[int], one: Made, other: Made) -> tuple[TakenFor, ...]:
    """Where the two predictions differ, whoever is right."""
    pairs = Counter(
        (one.names[one.labels[row]], one.taken_for(row), other.taken_for(row))
        for row in rows
        if one.found.classes[row] != other.found.classes[row]
    )
    return tuple(
        TakenFor(*pair, count)
        for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], str(item[0])))
    )

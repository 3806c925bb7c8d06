"""Two subjects on the same images: what only one of them gets right, and in which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.analysis.evaluate import Evaluation, Measurement, Subject
from engine.common.statistics import PairedHits


@dataclass(frozen=True, slots=True)
class ClassChange:
    """How many of a class's images each of two is right on. The name is untrusted."""

    name: str
    images: int
    first: int
    second: int

    @property
    def difference(self) -> float:
        """Accuracy of the first on this class less that of the second, -1 to 1."""
        return (self.first - self.second) / self.images


@dataclass(frozen=True, eq=False)
class Pair:
    """A subject against another one, by the same VLM."""

    first: Measurement
    second: Measurement
    hits: PairedHits
    changes: tuple[ClassChange, ...]  # of classes that differ: what the first gains most is first


def pair(evaluation: Evaluation, first: Measurement, second: Measurement) -> Pair:
    """Compare two measurements of an evaluation, image by image."""
    one, other, labels = first.right, second.right, first.labels
    hits = PairedHits(
        both=int((one & other).sum()),
        first=int((one & ~other).sum()),
        second=int((~one & other).sum()),
        neither=int((~one & ~other).sum()),
    )
    count = len(evaluation.class_names)
    sizes, ours, theirs = (
        np.bincount(some, minlength=count).tolist() for some in (labels, labels[one], labels[other])
    )
    changes = [
        ClassChange(name, sizes[label], ours[label], theirs[label])
        for label, name in enumerate(evaluation.class_names)
        if ours[label] != theirs[label]
    ]
    changes.sort(key=lambda change: (-change.difference, change.second - change.first))
    return Pair(first, second, hits, tuple(changes))


def contestants(subjects: Sequence[Subject]) -> list[int]:
    """Indices of what stands for a source in a comparison: of a run its best template and its own
    choice of an ensemble, of a list all of it together.
    """
    best = [index for index, one in enumerate(subjects) if one.name == "best"][:1]
    return sorted({*best, len(subjects) - 1})


def paired_up(
    ours: Sequence[Measurement], theirs: Sequence[Measurement]
) -> list[tuple[Measurement, Measurement]]:
    """Which contestants of two sources are compared: like with like, else each with each."""
    if len(ours) == len(theirs):
        return list(zip(ours, theirs, strict=True))
    return [(one, other) for one in ours for other in theirs]

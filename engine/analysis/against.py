"""Two subjects of an evaluation on the same images, and which of them are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.analysis.evaluate import Evaluation, Measurement, Subject
from engine.analysis.paired import ClassChange, class_changes, paired_hits
from engine.common.statistics import PairedHits


@dataclass(frozen=True, eq=False)
class Pair:
    """A subject against another one, by the same VLM."""

    first: Measurement
    second: Measurement
    hits: PairedHits
    changes: tuple[ClassChange, ...]  # of classes that differ: what the first gains most is first


def pair(evaluation: Evaluation, first: Measurement, second: Measurement) -> Pair:
    """Compare two measurements of an evaluation, image by image."""
    return Pair(
        first,
        second,
        paired_hits(first.right, second.right),
        class_changes(evaluation.class_names, first.labels, first.right, second.right),
    )


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

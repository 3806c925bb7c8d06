"""Two that looked at the same images: what only one of them gets right, and in which classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.common.statistics import PairedHits
from engine.common.wording import counted

SURE = 0.05
"""The p below which two are told apart in words."""


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


def paired_hits(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> PairedHits:
    """Of whether each was right on the same images, (images,) both."""
    return PairedHits(
        both=int((one & other).sum()),
        first=int((one & ~other).sum()),
        second=int((~one & other).sum()),
        neither=int((~one & ~other).sum()),
    )


def class_changes(
    names: Sequence[str],
    labels: NDArray[np.int64],
    one: NDArray[np.bool_],
    other: NDArray[np.bool_],
) -> tuple[ClassChange, ...]:
    """Of the classes that differ: what the first gains most is first.

    Args:
        names: of all classes.
        labels: the true classes, (images,).
        one: whether the first is right on each image, (images,).
        other: the same of the second.
    """
    sizes, ours, theirs = (
        np.bincount(some, minlength=len(names)).tolist()
        for some in (labels, labels[one], labels[other])
    )
    return changed(zip(names, sizes, ours, theirs, strict=True))


def changed(counts: Iterable[tuple[str, int, int, int]]) -> tuple[ClassChange, ...]:
    """Those that differ of classes with their images and the hits of both, as they are sorted."""
    changes = [ClassChange(*one) for one in counts if one[2] != one[3]]
    changes.sort(key=lambda change: (-change.difference, change.second - change.first))
    return tuple(changes)


def verdict(hits: PairedHits, p: float, first: str, second: str) -> str:
    """What McNemar's test with this ``p`` says of two, in words, by their names."""
    images = counted(hits.n, "image")
    if not hits.first + hits.second:
        return f"{first} and {second} are right on the same of these {images}."
    if p >= SURE:
        return f"{first} and {second} can't be told apart on {images}."
    better, worse = (first, second) if hits.first > hits.second else (second, first)
    return f"{better} is better than {worse} on these {images}, by more than chance gives."

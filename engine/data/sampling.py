"""Few-shot samples and splits, drawn by hashing: the same on every machine.

An image's place in the draw is the hash of the seed and its own path. So a draw depends neither
on the order of files on disk nor on a random generator's version, and it is independent of the
other images and classes: adding a class leaves the samples of all others as they were.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.common.errors import DataError
from engine.common.names import encode_name, same_name, some_names
from engine.common.wording import counted
from engine.data.dataset import Dataset, LabelledImage

Usable = Callable[[Sequence[LabelledImage]], Sequence[bool]]
"""Says of each image whether it can be read. Asked in few rounds of many images."""


_AT_HAND = 8  # images of a class beside twice the shots, in case some can't be read


@dataclass(frozen=True, slots=True)
class FewShotSample:
    """The labelled images of a run, sorted by class, and what there is to say about them."""

    items: tuple[LabelledImage, ...]
    problems: tuple[str, ...]


def draw_key(seed: int, purpose: str, name: str) -> bytes:
    """Place of ``name`` in a draw: uniform, independent between names, seeds and purposes."""
    return hashlib.sha256(encode_name(f"{seed}\0{purpose}\0{same_name(name)}")).digest()


def shuffled(items: Sequence[LabelledImage], seed: int, purpose: str) -> list[LabelledImage]:
    """``items`` in the order of the draw."""
    return sorted(items, key=lambda item: draw_key(seed, purpose, item.path))


def labelled_classes(class_names: Sequence[str], count: int | None, seed: int) -> list[int]:
    """Indices of the classes that get labels (docs/glov.md, 1), ascending; ``None``: all.

    Raises:
        DataError: if ``count`` is more than there are classes.
    """
    everything = range(len(class_names))
    if count is None:
        return list(everything)
    if count > len(class_names):
        raise DataError(
            f"data.labelled_classes is {count}, but the data set has "
            f"{counted(len(class_names), 'class', 'classes')}"
        )
    drawn = sorted(everything, key=lambda index: draw_key(seed, "classes", class_names[index]))
    return sorted(drawn[:count])


def sample_few_shot(
    dataset: Dataset, *, shots: int, seed: int, usable: Usable, classes: int | None = None
) -> FewShotSample:
    """Draw ``shots`` train images per class; one that can't be read is replaced by the next.

    Args:
        dataset: to draw from; only its train split is touched.
        shots: images per class, at least 1. A class with fewer gives what it has.
        seed: of the draw.
        usable: opens images and says which ones can be read.
        classes: label only this many classes, chosen by the seed; ``None``: all of them.

    Raises:
        DataError: if a class that should have labels has no readable train image.
    """
    wanted = labelled_classes(dataset.class_names, classes, seed)
    groups = dataset.by_class(dataset.train)
    queues = {label: _Queue(groups[label], seed, shots) for label in wanted}
    taken: dict[int, list[LabelledImage]] = {label: [] for label in wanted}
    while True:
        asked = [item for label in wanted for item in queues[label].next(shots - len(taken[label]))]
        if not asked:
            break
        for item, good in zip(asked, usable(asked), strict=True):
            queues[item.label].drop()
            if good:
                taken[item.label].append(item)
    return FewShotSample(
        tuple(item for label in wanted for item in taken[label]),
        tuple(_shortages(dataset, taken, shots)),
    )


class _Queue:
    """The images of a class in the order of the draw; of many, only the first are kept at hand."""

    def __init__(self, items: Sequence[LabelledImage], seed: int, shots: int) -> None:
        self._items, self._seed = items, seed
        self._dropped = 0
        self._drawn = self._first(2 * shots + _AT_HAND)

    def next(self, count: int) -> list[LabelledImage]:
        """The next images, at most so many."""
        end = self._dropped + max(0, count)
        if end > len(self._drawn) < len(self._items):
            self._drawn = self._first(len(self._items))
        return self._drawn[self._dropped : end]

    def drop(self) -> None:
        """The next image is done with."""
        self._dropped += 1

    def _first(self, count: int) -> list[LabelledImage]:
        return heapq.nsmallest(
            count, self._items, key=lambda item: draw_key(self._seed, "shots", item.path)
        )


def _shortages(dataset: Dataset, taken: dict[int, list[LabelledImage]], shots: int) -> list[str]:
    empty = [dataset.class_names[label] for label, items in taken.items() if not items]
    if empty:
        raise DataError(
            f"{dataset.root}: no readable training image of {some_names(empty)}; "
            "every labelled class needs at least one"
        )
    short = [dataset.class_names[label] for label, items in taken.items() if len(items) < shots]
    if not short:
        return []
    return [
        f"fewer than data.shots = {counted(shots, 'training image')} of {some_names(short)}: "
        "using all of them"
    ]


def split_off_test(
    items: Sequence[LabelledImage], fraction: float, seed: int = 0
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Split the images of *one* class into train and test, both in the order of ``items``.

    ``fraction`` (0 to 1) goes to the test split, rounded, but at least one image goes to each
    side. A single image goes to train.
    """
    if len(items) < 2:
        return list(items), []
    count = min(len(items) - 1, max(1, round(len(items) * fraction)))
    chosen = set(shuffled(items, seed, "test")[:count])
    train = [item for item in items if item not in chosen]
    test = [item for item in items if item in chosen]
    return train, test

"""Which images a run is scored on: the few-shot sample, and all test images that can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.common.errors import DataError
from engine.common.names import encode_name, readable_name, same_name
from engine.common.wording import counted
from engine.data.copies import TestCopies
from engine.data.dataset import Dataset, LabelledImage
from engine.data.sampling import sample_few_shot

Report = Callable[[str], None]

Read = Callable[[Sequence[LabelledImage], str], None]
"""Reads images of a phase, and notes which it could read."""

_NAMED_IMAGES = 20


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images of one split in order, and a hash of which these are and of their content."""

    items: tuple[LabelledImage, ...]
    fingerprint: str


@dataclass(slots=True)
class ReadImages:
    """What was found out of images: hashes of the content of the readable ones, reasons of the
    others by path.
    """

    digests: dict[LabelledImage, int]
    reasons: dict[str, str]


def choose_images(
    dataset: Dataset,
    known: ReadImages,
    read: Read,
    *,
    shots: int,
    labelled_classes: int | None,
    seed: int,
    report: Report,
) -> tuple[LabelledImages, LabelledImages]:
    """The few-shot train sample, and all test images.

    Images that can't be read are left out and reported by name, and so are train images that are
    in the test split too; a train image is replaced by the next one of its class.

    Args:
        dataset: with both splits.
        known: what ``read`` notes in.
        read: called with images that are looked at, and a word for what they are.
        shots: train images per class.
        labelled_classes: sub-shot: only so many classes have train images.
        seed: of the sample.
        report: gets a sentence on each problem.

    Raises:
        DataError: if a labelled class, or the test split, has no readable image.
    """
    for problem in dataset.problems:
        report(problem)
    copies = TestCopies(dataset)

    def usable(items: Sequence[LabelledImage]) -> list[bool]:
        own = [item for item in items if copies.of(item) is None]
        if own:
            read(own, "train images")
        return [item in known.digests for item in items]

    try:
        sample = sample_few_shot(
            dataset, shots=shots, seed=seed, usable=usable, classes=labelled_classes
        )
    except DataError as error:
        remark = copies.remark()
        raise DataError(f"{error}. {remark}" if remark else str(error)) from None
    if remark := copies.remark():
        report(remark)
    read(dataset.test, "test images")
    _report_unreadable(dataset, known.reasons, report)
    for problem in sample.problems:
        report(problem)
    test = [item for item in dataset.test if item in known.digests]
    if not test:
        raise DataError(f"{dataset.root}: no test image can be read")
    return _labelled(sample.items, known.digests), _labelled(test, known.digests)


def _labelled(
    items: Iterable[LabelledImage], digests: Mapping[LabelledImage, int]
) -> LabelledImages:
    kept = tuple(items)
    digest = hashlib.sha256()
    for item in sorted(kept, key=lambda item: same_name(item.path)):
        digest.update(encode_name(f"{same_name(item.path)}\0{item.label}\0{digests[item]}\0"))
    return LabelledImages(kept, digest.hexdigest()[:16])


def _report_unreadable(dataset: Dataset, reasons: Mapping[str, str], report: Report) -> None:
    for path, reason in list(reasons.items())[:_NAMED_IMAGES]:
        report(f"'{readable_name(str(dataset.images.file(path)))}' was skipped: {reason}")
    if len(reasons) > _NAMED_IMAGES:
        more = counted(len(reasons) - _NAMED_IMAGES, "more image")
        report(f"skipped, as they can't be read: {more}")

"""What a score rests on: what a template made of each image of a split.

A fitness keeps the predictions of the templates it scored last; a store behind it (a run's folder)
has those of before. No model here, and no torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.dataset import Split

NO_CLASS = -1
"""In ``ImagePredictions.classes``: the answer names none, or the image was not looked at."""

_LONG_ANSWER = 400
"""Bytes of memory."""

LOWEST = float(np.finfo(np.float16).min)
"""Nats: log-probabilities below it are kept as it."""


@dataclass(frozen=True, slots=True, eq=False)
class ImagePredictions:
    """Of one template, in the order of the split's images.

    The classes are those that the score counts; the log-probabilities are rounded, so that their
    highest may be another one where two are all but equal.
    """

    log_probabilities: NDArray[np.float16]  # (images, classes) nats; NaN: not looked at
    classes: NDArray[np.int32]  # (images,) the predicted ones, or NO_CLASS
    answers: tuple[str | None, ...] = ()  # of each image; empty where the model writes none

    @classmethod
    def of(
        cls, log_probabilities: ArrayLike, classes: ArrayLike, answers: Sequence[str | None] = ()
    ) -> ImagePredictions:
        """From log-probabilities in any precision; what is below float16's range is its end.

        ``answers`` are left out where none is a text.
        """
        found = np.asarray(log_probabilities)
        return cls(
            np.maximum(found, LOWEST, dtype=found.dtype).astype(np.float16),
            np.asarray(classes, dtype=np.int32),
            tuple(answers) if any(answer is not None for answer in answers) else (),
        )

    def placed(
        self, rows: Sequence[int], images: int, before: ImagePredictions | None = None
    ) -> ImagePredictions:
        """These of ``rows`` of a split of so many ``images``, with what was known ``before``."""
        shape = (images, self.log_probabilities.shape[1])
        found = np.full(shape, np.nan, dtype=np.float16)
        classes = np.full(images, NO_CLASS, dtype=np.int32)
        answers: list[str | None] = [None] * images
        if before is not None and before.log_probabilities.shape == shape:
            found[:], classes[:] = before.log_probabilities, before.classes
            answers = list(before.answers) or answers
        chosen = list(rows)
        found[chosen], classes[chosen] = self.log_probabilities, self.classes
        for row, answer in zip(chosen, self.answers, strict=False):
            answers[row] = answer
        return ImagePredictions.of(found, classes, answers)

    def of_rows(self, rows: ArrayLike) -> ImagePredictions:
        """These of some images, in the order of ``rows``; without the answers."""
        chosen = np.asarray(rows)
        return ImagePredictions(self.log_probabilities[chosen], self.classes[chosen])

    @property
    def looked_at(self) -> NDArray[np.bool_]:
        """Which images were looked at, (images,)."""
        return ~np.isnan(self.log_probabilities[:, 0])

    @property
    def nbytes(self) -> int:
        """Of memory, about."""
        texts = sum(len(answer or "") + 60 for answer in self.answers)
        return self.log_probabilities.nbytes + self.classes.nbytes + texts


def together(templates: Sequence[str]) -> str:
    """What the predictions of an ensemble are kept under: its members, a line each, as often as
    they count. That of one template is the template.
    """
    return "\n".join(templates)


class PredictionStore(Protocol):
    """Where predictions outlive the fitness; it says itself what it can't keep."""

    def read(self, template: str, split: Split) -> ImagePredictions | None:
        """Those of a template; None where they are not there, or not as they were kept."""
        ...

    def keep(self, split: Split, found: Mapping[str, ImagePredictions]) -> None:
        """Keep those of some templates, which were scored together."""
        ...


class KeptPredictions:
    """Those of the templates scored last, as many as fit into ``room`` bytes; and a store's."""

    def __init__(self, room: int = 2**28) -> None:
        self._room = room
        self._held: dict[tuple[Split, str], ImagePredictions] = {}
        self._new: dict[Split, dict[str, ImagePredictions]] = {}  # not in the store yet
        self.store: PredictionStore | None = None

    def takes(self, images: int, classes: int) -> bool:
        """Whether there is room for those of one template."""
        return images * classes * 2 <= self._room

    def have_room(self, images: int, classes: int) -> None:
        """See that there is room for those of one template."""
        self._room = max(self._room, images * (2 * classes + 4 + _LONG_ANSWER))

    def put(self, template: str, split: Split, found: ImagePredictions) -> None:
        """Keep them, and let the oldest go where there is no room."""
        self._held.pop((split, template), None)
        self._held[split, template] = found
        taken = sum(held.nbytes for held in self._held.values())
        while taken > self._room:
            oldest = next(iter(self._held))
            taken -= self._held.pop(oldest).nbytes
            self._new.get(oldest[0], {}).pop(oldest[1], None)
        if self.store is not None and (split, template) in self._held:
            self._new.setdefault(split, {})[template] = found

    def settle(self) -> None:
        """Hand what is new to the store: at the end of what is scored together."""
        new, self._new = self._new, {}
        if self.store is not None:
            for split, found in new.items():
                if found:
                    self.store.keep(split, found)

    def of(self, template: str, split: Split) -> ImagePredictions | None:
        """Those of a template; None if they were let go and no store has them."""
        found = self._held.get((split, template))
        if found is None and self.store is not None:
            return self.store.read(template, split)
        return found

    @contextlib.contextmanager
    def without_store(self) -> Iterator[None]:
        """For scores that are no part of the run."""
        store, self.store = self.store, None
        try:
            yield
        finally:
            self.store = store

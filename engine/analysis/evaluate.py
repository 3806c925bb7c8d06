"""What templates and ensembles make of the images of a split: measured, and nothing printed.

A subject is one or several templates that decide together. What is measured of it is what it made
of each image, so that two subjects can be compared on the same images. Where a run's folder has
that already, nothing is encoded again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.analysis.evaluation_cache import evaluation_cache
from engine.common.errors import ModelError
from engine.common.generators import result_of
from engine.common.intervals import wilson_interval
from engine.config import RunConfig, Select
from engine.data.dataset import LabelledImage, Split
from engine.run.contract import Expected, check_fitness
from engine.run.events import ModelsLoaded
from engine.session.loading import OnProgress, Report, load_scoring
from engine.storage.predictions import ImageIndex, RunPredictions, index_of
from engine.vlm.interface import Fitness, ScoringProgress
from engine.vlm.predictions import ImagePredictions, together

if TYPE_CHECKING:
    from engine.common.kept import Kept

_AT_ONCE = 16
"""Templates that are asked of an image while it is at hand, where there is room for what they make
of all of them.
"""

_ROOM = 2**31
"""Bytes of memory for that."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a template, or an ensemble of several. Its texts are untrusted."""

    name: str  # what a person calls it: seed, best, 3 best, line 4
    templates: tuple[str, ...]  # as often as they count
    selection: Select | None = None  # how an ensemble of a run was chosen
    is_runs: bool = False  # of the run that is evaluated: kept in its folder

    @property
    def kept_as(self) -> str:
        """Under which its predictions are kept: equal for what decides alike."""
        return together(self.templates)


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a subject made of the images of a split, in their order.

    Log-probabilities are kept in half precision, so ``probability`` is good to about four digits,
    and the same whether it was measured now or read.
    """

    subject: Subject
    labels: NDArray[np.int64]  # (images,) true classes
    predicted: NDArray[np.int32]  # (images,) or NO_CLASS where the answer names none
    of_truth: NDArray[np.float32]  # (images,) probability of the true class, 0 to 1
    was_kept: bool  # nothing was encoded for it
    note: str = ""  # what a person should know of its texts, as ``Fitness.check`` has it

    @classmethod
    def of(
        cls,
        subject: Subject,
        labels: NDArray[np.int64],
        found: ImagePredictions,
        was_kept: bool,
        note: str = "",
    ) -> Measurement:
        """Of what is kept of each image."""
        own = found.log_probabilities[np.arange(len(labels)), labels].astype(np.float64)
        named = found.classes >= 0
        of_truth = np.where(named, np.exp(own), 0.0).clip(0.0, 1.0).astype(np.float32)
        return cls(subject, labels, found.classes, of_truth, was_kept, note)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which images it is right on, (images,)."""
        return np.equal(self.predicted, self.labels)

    @property
    def hits(self) -> int:
        """Images that it is right on."""
        return int(self.right.sum())

    @property
    def n(self) -> int:
        """Images that were looked at."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Share of images that it is right on, 0 to 1."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy, at 95 % (Wilson)."""
        return wilson_interval(self.hits, self.n)

    @property
    def probability(self) -> float:
        """Mean probability of the true class, 0 where the answer names none."""
        return round(float(self.of_truth.mean(dtype=np.float64)), 6)

    @property
    def unnamed(self) -> int:
        """Images of which the answer names no class; they count as wrong."""
        return int((self.predicted < 0).sum())


@dataclass(frozen=True)
class Evaluation:
    """Some subjects on the same images, by one VLM."""

    vlm: str  # its name
    vlm_weights: str  # precision and hash, as the journal has them
    dataset_name: str
    dataset_fingerprint: str
    class_names: tuple[str, ...]
    split: Split
    index: ImageIndex  # the images, in the order of measurements
    measurements: tuple[Measurement, ...]  # one for each subject, in their order

    @property
    def images(self) -> tuple[LabelledImage, ...]:
        """In the order of measurements."""
        return self.index.images


def evaluate(
    config: RunConfig,
    subjects: Sequence[Subject],
    *,
    split: Split = "test",
    progress: OnProgress,
    report: Report,
    kept: Kept | None = None,
    stores: Sequence[RunPredictions] = (),
    expected: Expected | None = None,
    cached: bool = False,
) -> Evaluation:
    """Load the data set and the VLM of a configuration, and measure subjects on a split.

    Args:
        config: of which ``data``, ``vlm`` and ``seed`` are used (the last for the training split).
        subjects: what is measured; templates with the placeholder as the VLM's task has it.
        split: whose images.
        progress: as in ``load_fitness``, and while texts are encoded or questions asked.
        report: gets sentences on problems that were worked around.
        kept: as in ``load_fitness``: models and data for the next evaluation.
        stores: of runs with the same VLM: what they have of the same images is not measured again.
            The first keeps what the run itself lacks of the test split, if it keeps anything
            (``PredictionKeeper``).
        expected: what must be found again, if these are to be numbers of a run.
        cached: whether what no run keeps is kept in the cache, and read where it is there.

    Raises:
        UserError: naming the key, file, model or template that can't be used.
        ContractError: saying what is not as the run had it.
    """
    fitness = load_scoring(config, progress, report, kept)
    if expected is not None:
        check_fitness(expected, fitness)
    cache = evaluation_cache(config, fitness, split, report) if cached else None
    work = measure(fitness, subjects, split, stores, cache)
    found = result_of(work, lambda told: progress("scoring", told.done, told.total))
    return evaluation(fitness, split, found)


def evaluation(fitness: Fitness, split: Split, measurements: Sequence[Measurement]) -> Evaluation:
    """What was measured with a fitness."""
    return Evaluation(
        vlm=fitness.name,
        vlm_weights=fitness.weights,
        dataset_name=fitness.dataset_name,
        dataset_fingerprint=fitness.dataset_fingerprint,
        class_names=fitness.class_names,
        split=split,
        index=index_of(fitness, split),
        measurements=tuple(measurements),
    )


def measure(
    fitness: Fitness,
    subjects: Sequence[Subject],
    split: Split = "test",
    stores: Sequence[RunPredictions] = (),
    cache: RunPredictions | None = None,
) -> Generator[ScoringProgress, None, list[Measurement]]:
    """One measurement a subject, in order; equal ones are made once. ``stores``: see ``evaluate``;
    ``cache`` has, and keeps, what is of no run.

    Raises:
        UserError, ModelError: as ``Fitness.score``.
    """

    def note_on(subject: Subject) -> str:
        notes = (fitness.check(template).sentence for template in dict.fromkeys(subject.templates))
        return "; ".join(filter(None, dict.fromkeys(notes)))

    index = index_of(fitness, split)
    at_once = max(1, min(_AT_ONCE, _ROOM // (2 * len(index.images) * index.classes)))
    fitness.kept.have_room(at_once * len(index.images), index.classes)
    labels = labels_of(index)
    found = dict(kept_measurements(subjects, index, split, stores))
    # The files of training images are the engine's alone.
    keeper = stores[0] if stores and split == "test" else None

    def is_kept_by_run(subject: Subject) -> bool:
        return keeper is not None and subject.is_runs

    if cache is not None:
        others = [s for s in subjects if not (s.kept_as in found or is_kept_by_run(s))]
        for key, made in kept_measurements(others, index, split, [cache]):
            found[key] = replace(made, note=note_on(made.subject))
    missing = {one.kept_as: one for one in subjects if one.kept_as not in found}
    if keeper is not None and missing:
        keeper.begin(split, index)

    new: dict[str, ImagePredictions] = {}  # that no run keeps

    def keep_new() -> None:
        if cache is not None:
            cache.keep(split, new)
        new.clear()

    def add(subject: Subject, made: ImagePredictions | None) -> None:
        if made is None:
            raise ModelError(
                f"{fitness.name} does not tell what it makes of each image, and templates are "
                "evaluated image by image"
            )
        if keeper is not None and is_kept_by_run(subject):
            keeper.keep(split, {subject.kept_as: made})
        else:
            new[subject.kept_as] = made
        note = note_on(subject)
        found[subject.kept_as] = Measurement.of(subject, labels, made, was_kept=False, note=note)

    alone = [one for one in missing.values() if len(one.templates) == 1]
    for start in range(0, len(alone), at_once):
        some = alone[start : start + at_once]
        yield from fitness.score([one.templates[0] for one in some], split=split)
        for one in some:
            add(one, fitness.predictions(one.templates[0], split))
        keep_new()
    for one in missing.values():
        if len(one.templates) > 1:
            score = yield from fitness.score_ensemble(one.templates, split=split)
            add(one, score.made)
            keep_new()
    return [_named(found[one.kept_as], one) for one in subjects]


def kept_evaluation(
    models: ModelsLoaded,
    subjects: Sequence[Subject],
    split: Split,
    stores: Sequence[RunPredictions],
) -> Evaluation | None:
    """An evaluation of what runs have of the images of the first one; None if something lacks."""
    index = stores[0].index(split)
    if index is None or len(models.class_names) != index.classes:
        return None
    found = dict(kept_measurements(subjects, index, split, stores))
    if any(one.kept_as not in found for one in subjects):
        return None
    return Evaluation(
        vlm=models.vlm,
        vlm_weights=models.vlm_weights,
        dataset_name=models.dataset_name,
        dataset_fingerprint=models.dataset_fingerprint,
        class_names=models.class_names,
        split=split,
        index=index,
        measurements=tuple(_named(found[one.kept_as], one) for one in subjects),
    )


def kept_measurements(
    subjects: Sequence[Subject], index: ImageIndex, split: Split, stores: Sequence[RunPredictions]
) -> Iterator[tuple[str, Measurement]]:
    """Those that need no model, as runs have them of the same images; by ``Subject.kept_as``."""
    labels = labels_of(index)
    found = [(store, store.index(split)) for store in stores]
    same = [store for store, kept in found if kept is not None and kept.key == index.key]
    for subject in {one.kept_as: one for one in subjects}.values():
        for store in same:
            made = store.read(subject.kept_as, split)
            if made is not None and made.looked_at.all():
                yield subject.kept_as, Measurement.of(subject, labels, made, was_kept=True)
                break


def labels_of(index: ImageIndex) -> NDArray[np.int64]:
    """The true classes, (images,)."""
    return np.array([image.label for image in index.images], np.int64)


def _named(found: Measurement, subject: Subject) -> Measurement:
    if found.subject == subject:
        return found
    return Measurement(
        subject, found.labels, found.predicted, found.of_truth, found.was_kept, found.note
    )

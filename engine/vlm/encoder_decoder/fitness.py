"""The fitness of a question under an encoder-decoder VLM: how often its answer names the class."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engine.common.errors import ModelError
from engine.data.dataset import Dataset
from engine.data.images import read_image
from engine.vlm.encoder_decoder.prediction import (
    KeptPredictions,
    Predictions,
    Predictor,
    Question,
    in_order,
)
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, read_prefix
from engine.vlm.interface import ImagePrediction, Score, ScoringProgress, Split, TemplateCheck
from engine.vlm.labelled_images import LabelledImages


@dataclass(frozen=True, slots=True)
class _Group:
    """Images that are read together: their prefixes have one length."""

    rows: tuple[int, ...]
    prefixes: tuple[ImagePrefix, ...]


class EncoderDecoder:
    """Scores questions by the classes of images: ``engine.vlm.interface.Fitness``.

    How a class is read out of the model is the ``predictor``'s. A question may name no class; where
    ``<category>`` stands in it, it is asked as it is. The keys and values of an image are kept
    while there is room for them (``room`` bytes), since all questions share them. One thread at a
    time.
    """

    def __init__(
        self,
        *,
        name: str,
        revision: str,
        weights: str,
        dataset: Dataset,
        model: Any,
        questions: Questions,
        images: Mapping[Split, LabelledImages],
        predictor: Predictor,
        batch: int = 16,
        room: int = 2**30,
    ) -> None:
        """
        Raises:
            ModelError: if the predictor's fast reading is not that of a plain one.
        """
        self.name, self.revision, self.weights = name, revision, weights
        self.cache_entries: tuple[str, ...] = ()
        self._dataset = dataset
        self._model = model
        self._questions = questions
        self._images = images
        self._predictor = predictor
        self._batch = batch
        self._room = room
        self._held: dict[str, ImagePrefix] = {}
        self._held_bytes = 0
        self._unfinished: dict[tuple[Split, str], Predictions] = {}
        self._kept = KeptPredictions()
        item = images["train"].items[0]
        predictor.check(read_image(dataset.root / item.path), self._prefix(item.path))

    # -- what it is ------------------------------------------------------------------------

    def fingerprint(self, split: Split) -> str:
        """Hash of which images a score on this split rests on, and of their content."""
        return self._images[split].fingerprint

    @property
    def dataset_name(self) -> str:
        return self._dataset.name

    @property
    def dataset_description(self) -> str:
        return self._dataset.description

    @property
    def dataset_fingerprint(self) -> str:
        return self._dataset.fingerprint()

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._dataset.class_names

    def size(self, split: Split) -> int:
        """Number of readable images that a score on this split rests on."""
        return len(self._images[split].items)

    def class_sizes(self, split: Split) -> tuple[int, ...]:
        """The same of each class; 0 where none of its images is labelled."""
        labels = torch.tensor([item.label for item in self._images[split].items])
        return tuple(torch.bincount(labels, minlength=len(self.class_names)).tolist())

    def check(self, template: str) -> TemplateCheck:
        """A question of any length is read: models of this family have room for thousands."""
        return TemplateCheck()

    # -- scores ----------------------------------------------------------------------------

    def score(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """One score per question, in order; equal questions are asked once.

        Yields between batches of images. A call that is closed early keeps what it has.
        """
        distinct = list(dict.fromkeys(templates))
        total = len(distinct) * self.size(split)
        scores = {}
        for index, template in enumerate(distinct):
            found = yield from self._predictions(template, split, index * self.size(split), total)
            self._kept.put(template, split, found)
            scores[template] = self._score(found, split, template)
        self._unfinished.clear()
        return [scores[template] for template in templates]

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """The score of the questions together, as the predictor combines them.

        Raises:
            ValueError: if there is no template.
        """
        if not templates:
            raise ValueError("an ensemble needs at least one template")
        distinct = list(dict.fromkeys(templates))
        total = len(distinct) * self.size(split)
        found = {}
        for index, template in enumerate(distinct):
            found[template] = yield from self._predictions(
                template, split, index * self.size(split), total
            )
        self._unfinished.clear()
        together = self._predictor.combine([found[template] for template in templates])
        return self._score(together, split, templates[0])

    def predictions(self, template: str, split: Split) -> Iterator[ImagePrediction] | None:
        """What a template scored lately made of each image; None if it is kept no more."""
        return self._kept.each(template, split, self._images[split].items)

    def _predictions(
        self, template: str, split: Split, done: int, total: int
    ) -> Generator[ScoringProgress, None, Predictions]:
        """Of each image of the split, in order."""
        known = self._unfinished.get((split, template))
        if known is not None:
            return known
        question = Question(template, tuple(self._questions.question(template)))
        paths = [item.path for item in self._images[split].items]
        unread = dict(enumerate(paths))
        parts: list[tuple[Sequence[int], Predictions]] = []
        if found := self._predictor.known(paths, question):
            parts.append(found)
            for row in found[0]:
                del unread[row]
            done += len(found[0])
            yield ScoringProgress(done, total)
        for group in self._groups(unread):
            images = [paths[row] for row in group.rows]
            parts.append((group.rows, self._predictor.predict(images, group.prefixes, question)))
            done += len(group.rows)
            yield ScoringProgress(done, total)
        self._unfinished[split, template] = in_order(parts)
        return self._unfinished[split, template]

    def _score(self, found: Predictions, split: Split, template: str) -> Score:
        if not torch.isfinite(found.log_probabilities).all():
            raise ModelError(
                f"the VLM's scores of the template {template!r} are not numbers; "
                "try vlm.precision = 'fp32'"
            )
        return found.score(torch.tensor([item.label for item in self._images[split].items]))

    # -- images ----------------------------------------------------------------------------

    def _groups(self, paths: Mapping[int, str]) -> Iterator[_Group]:
        """Images by row in batches of one length each; a batch is full, or no image is left."""
        waiting: dict[tuple[int, int], list[tuple[int, ImagePrefix]]] = {}
        for row, path in paths.items():
            prefix = self._prefix(path)
            group = waiting.setdefault((prefix.length, prefix.next_position), [])
            group.append((row, prefix))
            if len(group) == self._batch:
                yield _grouped(waiting.pop((prefix.length, prefix.next_position)))
        for group in waiting.values():
            yield _grouped(group)

    def _prefix(self, path: str) -> ImagePrefix:
        if path in self._held:
            return self._held[path]
        image = read_image(self._dataset.root / path)
        prefix = read_prefix(self._model, self._questions.prefix(image))
        if self._held_bytes + prefix.bytes <= self._room:
            self._held[path] = prefix
            self._held_bytes += prefix.bytes
        return prefix


def _grouped(members: Sequence[tuple[int, ImagePrefix]]) -> _Group:
    rows, prefixes = zip(*members, strict=True)
    return _Group(rows, prefixes)

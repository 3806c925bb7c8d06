"""The fitness of a question under an encoder-decoder VLM: how often its answer names the class."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence

import torch

from engine.common.errors import ModelError
from engine.data.dataset import Dataset
from engine.data.images import read_image
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.prediction import (
    KeptPredictions,
    Predictions,
    Predictor,
    Question,
    in_order,
)
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.interface import ImagePrediction, Score, ScoringProgress, Split, TemplateCheck
from engine.vlm.labelled_images import LabelledImages


class EncoderDecoder:
    """Scores questions by the classes of images: ``engine.vlm.interface.Fitness``.

    How a class is read out of the model is the ``predictor``'s. A question may name no class; where
    ``<category>`` stands in it, it is asked as it is. One thread at a time.
    """

    def __init__(
        self,
        *,
        name: str,
        revision: str,
        weights: str,
        dataset: Dataset,
        questions: Questions,
        images: Mapping[Split, LabelledImages],
        predictor: Predictor,
        prefixes: ImagePrefixes,
    ) -> None:
        """
        Raises:
            ModelError: if the predictor's fast reading is not that of a plain one.
        """
        self.name, self.revision, self.weights = name, revision, weights
        self.cache_entries: tuple[str, ...] = ()
        self._dataset = dataset
        self._questions = questions
        self._images = images
        self._predictor = predictor
        self._prefixes = prefixes
        self._unfinished: dict[tuple[Split, str], Predictions] = {}
        self._kept = KeptPredictions()
        item = images["train"].items[0]
        predictor.check(read_image(dataset.root / item.path), prefixes.of(item.path))

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
        for group in self._prefixes.groups(unread):
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

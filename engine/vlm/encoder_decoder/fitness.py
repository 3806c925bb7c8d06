"""The fitness of a question under an encoder-decoder VLM: how often its answer names the class.

The answer is never written: the class name that is most likely to begin it counts as the prediction
(``likelihood``), which needs no parsing and no sampling.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.config.schema import LikelihoodScore
from engine.data.dataset import Dataset
from engine.data.images import read_image
from engine.prompts.template import PLACEHOLDER
from engine.vlm.encoder_decoder.class_trie import build_trie, without_longer
from engine.vlm.encoder_decoder.likelihood import (
    ImagePrefix,
    class_log_likelihoods,
    one_by_one,
    read_prefix,
)
from engine.vlm.encoder_decoder.questions import GREY, Questions
from engine.vlm.interface import Score, ScoringProgress, Split, TemplateCheck
from engine.vlm.labelled_images import LabelledImages

TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}
"""Nats, by which the packed reading may differ from the plain one."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Images that are read together: their prefixes have one length."""

    rows: tuple[int, ...]
    prefixes: tuple[ImagePrefix, ...]


class EncoderDecoder:
    """Scores questions by the likelihood of class names: ``engine.vlm.interface.Fitness``.

    A question may name no class; where ``<category>`` stands in it, it is asked as it is. The keys
    and values of an image are kept while there is room for them (``room`` bytes), since all
    questions share them. One thread at a time.
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
        kind: LikelihoodScore = "raw",
        batch: int = 16,
        room: int = 2**30,
    ) -> None:
        """
        Raises:
            ModelError: if the packed reading gives other likelihoods than the plain one, or two
                class names are one to the tokenizer.
        """
        self.name, self.revision, self.weights = name, revision, weights
        self.cache_entries: tuple[str, ...] = ()
        self._dataset = dataset
        self._model = model
        self._questions = questions
        self._images = images
        self._kind = kind
        self._batch = batch
        self._room = room
        self._held: dict[str, ImagePrefix] = {}
        self._held_bytes = 0
        self._priors: dict[tuple[int, ...], Tensor] = {}
        self._unfinished: dict[tuple[Split, str], Tensor] = {}
        names = questions.names(dataset.class_names)
        try:
            self._trie = build_trie(names)
        except ValueError as error:
            raise ModelError(f"{name}: class names can't be told apart: {error}") from None
        self._lengths = torch.tensor([float(len(path)) for path in self._trie.paths])
        self._check_reading(names)

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
            found = yield from self._probabilities(template, split, index * self.size(split), total)
            scores[template] = self._score(found, split, template)
        self._unfinished.clear()
        return [scores[template] for template in templates]

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """The score of the mean of the probabilities that the questions give each class.

        Raises:
            ValueError: if there is no template.
        """
        if not templates:
            raise ValueError("an ensemble needs at least one template")
        distinct = list(dict.fromkeys(templates))
        total = len(distinct) * self.size(split)
        found = {}
        for index, template in enumerate(distinct):
            found[template] = yield from self._probabilities(
                template, split, index * self.size(split), total
            )
        each = torch.stack([found[template] for template in templates])
        self._unfinished.clear()
        mean = torch.logsumexp(each, dim=0) - torch.log(torch.tensor(float(len(templates))))
        return self._score(mean, split, templates[0])

    def _probabilities(
        self, template: str, split: Split, done: int, total: int
    ) -> Generator[ScoringProgress, None, Tensor]:
        """Log-probabilities of the classes for each image, (images, classes)."""
        known = self._unfinished.get((split, template))
        if known is not None:
            return known
        question = self._questions.question(template)
        found = torch.zeros(self.size(split), len(self.class_names))
        for group in self._groups(split):
            found[list(group.rows)] = self._corrected(
                class_log_likelihoods(self._model, group.prefixes, question, self._trie), question
            )
            done += len(group.rows)
            yield ScoringProgress(done, total)
        self._unfinished[split, template] = found
        return found

    def _corrected(self, likelihoods: Tensor, question: Sequence[int]) -> Tensor:
        found = without_longer(likelihoods.cpu(), self._trie)
        if self._kind == "per-token":
            found = found / self._lengths
        elif self._kind == "prior-corrected":
            found = found - self._prior(tuple(question))
        return found.log_softmax(-1)

    def _prior(self, question: tuple[int, ...]) -> Tensor:
        """How likely each name is where there is nothing to see: a grey image."""
        if question not in self._priors:
            prefix = read_prefix(self._model, self._questions.prefix(GREY))
            prior = class_log_likelihoods(self._model, [prefix], question, self._trie)
            self._priors = {question: without_longer(prior[0].cpu(), self._trie)}
        return self._priors[question]

    def _score(self, found: Tensor, split: Split, template: str) -> Score:
        if not torch.isfinite(found).all():
            raise ModelError(
                f"the VLM's scores of the template {template!r} are not numbers; "
                "try vlm.precision = 'fp32'"
            )
        labels = torch.tensor([item.label for item in self._images[split].items])
        right = found.argmax(dim=-1) == labels
        hits = torch.bincount(labels[right], minlength=len(self.class_names))
        margin = found[torch.arange(len(labels)), labels].mean()
        return Score(int(right.sum()), len(labels), float(margin), tuple(hits.tolist()))

    # -- images ----------------------------------------------------------------------------

    def _groups(self, split: Split) -> Iterator[_Group]:
        """All images in batches of one length each; a batch is full, or no image is left."""
        waiting: dict[tuple[int, int], list[tuple[int, ImagePrefix]]] = {}
        for row, item in enumerate(self._images[split].items):
            prefix = self._prefix(item.path)
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

    def _check_reading(self, names: Sequence[Sequence[int]]) -> None:
        """Hold the packed reading against the plain one, on one image and the ends of the list."""
        item = self._images["train"].items[0]
        image = read_image(self._dataset.root / item.path)
        template = f"What is shown, a {PLACEHOLDER}?"
        question = self._questions.question(template)
        prefix = self._prefix(item.path)
        packed = class_log_likelihoods(self._model, [prefix, prefix], question, self._trie)[1]
        inputs = self._questions.inputs(image, template)
        for index in (0, len(names) - 1):
            plain = one_by_one(self._model, inputs, names[index])
            away = abs(plain - float(packed[index]))
            if not away <= TOLERANCE.get(self._model.dtype, 0.5):
                raise ModelError(
                    f"{self.name}: class names read together have other likelihoods than alone "
                    f"({float(packed[index]):.3f} and {plain:.3f} nats), so models of its kind "
                    f"({self._model.config.model_type}) can't be used; choose another vlm.model"
                )


def _grouped(members: Sequence[tuple[int, ImagePrefix]]) -> _Group:
    rows, prefixes = zip(*members, strict=True)
    return _Group(rows, prefixes)

"""The option whose letter is the answer: ``vlm.answer = "choice"``.

The question differs from image to image, by its options. The letter is the most likely one to begin
the answer, read in one pass behind the image, or what the written answer names
(``engine.vlm.encoder_decoder.letters``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.common.errors import ModelError
from engine.vlm.encoder_decoder.choices import with_options
from engine.vlm.encoder_decoder.class_trie import build_trie
from engine.vlm.encoder_decoder.letters import LETTERS
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods, one_by_one
from engine.vlm.encoder_decoder.prediction import Predictions, Question, mean_logits
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, tolerance
from engine.vlm.encoder_decoder.writing import by_length

NEVER = -1e4
"""The log-probability of a class that is not among the options, nats."""


class ByChoice:
    """The most likely letter of four."""

    rests_on = ""

    def __init__(
        self,
        model: Any,
        questions: Questions,
        class_names: Sequence[str],
        options: Mapping[str, tuple[int, ...]],
    ) -> None:
        """
        Args:
            model: an image-text-to-text model of transformers.
            questions: makes its inputs.
            class_names: of the data set.
            options: of each image by its path, four classes in the order of the letters.

        Raises:
            ModelError: if two letters, or two class names, are one to the tokenizer, or it has
                nothing for a class name: options would be empty, or the same.
        """
        questions.names(class_names)
        self._longest_names = sorted(class_names, key=len)[-len(LETTERS) :]
        self._model = model
        self._questions = questions
        self._class_names = class_names
        self._options = options
        self._letters = questions.names(LETTERS)
        self._trie = build_trie(self._letters)

    def check(self, image: Image.Image, prefix: ImagePrefix) -> None:
        """As ``Predictor.check``, on all letters."""
        text = with_options("Which is it?", ["one", "two", "three", "four"])
        tokens = self._questions.many([text])
        packed = class_log_likelihoods(self._model, [prefix], tokens, self._trie)[0]
        inputs = self._questions.inputs(image, text)
        plain = torch.tensor([one_by_one(self._model, inputs, name) for name in self._letters])
        away = (plain - packed.cpu()).abs().max()
        if not away <= tolerance(self._model):
            raise ModelError(
                f"letters read behind an image that is kept have other likelihoods ({away:.3f} "
                f"nats away), so models of this kind ({self._model.config.model_type}) can't be "
                "used; choose another vlm.model"
            )

    def longest(self, template: str) -> str:
        """With the longest four names of all."""
        return with_options(template, self._longest_names)

    def known(
        self, images: Sequence[str], question: Question
    ) -> tuple[Sequence[int], Predictions] | None:
        """Nothing is: letters are read as soon as they would be looked up."""
        return None

    def predict(
        self, images: Sequence[str], prefixes: Sequence[ImagePrefix], question: Question
    ) -> Predictions:
        """As ``Predictor.predict``; every image has a class."""
        asked = self.asked(images, question.text)
        self._questions.check_length(images, prefixes, asked, question.text)
        found = torch.zeros(len(images), len(LETTERS))
        for rows in by_length(asked):
            found[rows] = class_log_likelihoods(
                self._model, [prefixes[r] for r in rows], [asked[r] for r in rows], self._trie
            ).cpu()
        classes = self.among_classes(images, found.log_softmax(-1))
        named = torch.ones(len(images), dtype=torch.bool)
        return Predictions(classes, named, (None,) * len(images))

    def combine(self, each: Sequence[Predictions]) -> Predictions:
        """The mean of the questions' logits."""
        return Predictions(mean_logits(each), each[0].named, each[0].answers)

    def asked(self, images: Sequence[str], template: str) -> list[list[int]]:
        """The tokens behind each image, up to where the answer begins."""
        return self._questions.many([with_options(template, self.names(i)) for i in images])

    def names(self, image: str) -> list[str]:
        """The options of an image."""
        return [self._class_names[label] for label in self._options[image]]

    def among_classes(self, images: Sequence[str], letters: Tensor) -> Tensor:
        """Log-probabilities of letters (images, 4) as those of classes, (images, classes)."""
        found = torch.full((len(images), len(self._class_names)), NEVER)
        places = torch.tensor([self._options[image] for image in images])
        return found.scatter(1, places, letters)

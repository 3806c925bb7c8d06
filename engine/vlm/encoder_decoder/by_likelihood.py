"""The class whose name is most likely to begin the answer; the answer is never written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.common.errors import ModelError
from engine.config.schema import LikelihoodScore
from engine.prompts.template import PLACEHOLDER
from engine.vlm.encoder_decoder.class_trie import build_trie, without_longer
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods, one_by_one
from engine.vlm.encoder_decoder.prediction import Predictions, Question, mean_logits
from engine.vlm.encoder_decoder.questions import GREY, Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, read_prefix, tolerance

_PRIORS = 1024
"""Questions whose priors are kept: more than are asked at once."""


class ByLikelihood:
    """``vlm.answer = "likelihood"``: needs no parsing and no sampling."""

    rests_on = ""

    def __init__(
        self,
        model: Any,
        questions: Questions,
        class_names: Sequence[str],
        kind: LikelihoodScore = "raw",
    ) -> None:
        """
        Raises:
            ModelError: if the tokenizer has nothing for a class name, or two are one to it.
        """
        self._model = model
        self._questions = questions
        self._kind = kind
        self._priors: dict[tuple[int, ...], Tensor] = {}
        self._grey: ImagePrefix | None = None
        self._names = questions.names(class_names)
        self._trie = build_trie(self._names)
        self._lengths = torch.tensor([float(len(path)) for path in self._trie.paths])

    def check(self, image: Image.Image, prefix: ImagePrefix) -> None:
        """As ``Predictor.check``, on the ends of the list of names."""
        template = f"What is shown, a {PLACEHOLDER}?"
        question = self._questions.question(template)
        packed = class_log_likelihoods(self._model, [prefix, prefix], question, self._trie)[1]
        inputs = self._questions.inputs(image, template)
        for index in (0, len(self._names) - 1):
            plain = one_by_one(self._model, inputs, self._names[index])
            away = abs(plain - float(packed[index]))
            if not away <= tolerance(self._model):
                raise ModelError(
                    "class names read together have other likelihoods than alone "
                    f"({float(packed[index]):.3f} and {plain:.3f} nats), so models of this kind "
                    f"({self._model.config.model_type}) can't be used; choose another vlm.model"
                )

    def longest(self, template: str) -> str:
        """The template: it is asked as it is."""
        return template

    def known(self, images: Sequence[str], question: Question) -> None:
        """Nothing is: a name is read as soon as it would be looked up."""

    def predict(
        self, images: Sequence[str], prefixes: Sequence[ImagePrefix], question: Question
    ) -> Predictions:
        """As ``Predictor.predict``; every image has a class."""
        tokens = question.tokens
        found = self._corrected(
            class_log_likelihoods(self._model, prefixes, tokens, self._trie), tokens
        )
        return Predictions(found, torch.ones(len(found), dtype=torch.bool), (None,) * len(found))

    def combine(self, each: Sequence[Predictions]) -> Predictions:
        """The mean of the questions' logits."""
        return Predictions(mean_logits(each), each[0].named, each[0].answers)

    def _corrected(self, likelihoods: Tensor, question: tuple[int, ...]) -> Tensor:
        found = without_longer(likelihoods.cpu(), self._trie)
        if self._kind == "per-token":
            found = found / self._lengths
        elif self._kind == "prior-corrected":
            found = found - self._prior(question)
        return found.log_softmax(-1)

    def _prior(self, question: tuple[int, ...]) -> Tensor:
        """How likely each name is where there is nothing to see: a grey image."""
        if question not in self._priors:
            if self._grey is None:
                self._grey = read_prefix(self._model, self._questions.prefix(GREY))
            prior = class_log_likelihoods(self._model, [self._grey], question, self._trie)
            if len(self._priors) == _PRIORS:
                del self._priors[next(iter(self._priors))]
            self._priors[question] = without_longer(prior[0].cpu(), self._trie)
        return self._priors[question]

"""The class whose name is nearest to the answer that the model writes: the paper's way.

Answers and class names, these as they are, become points by one sentence-transformers model; the
nearest by cosine is the class. An answer without any text names no class and counts as wrong: the
paper's code gives it the class that the embedder has nearest to nothing, the same for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image

from engine.common.errors import ModelError
from engine.common.names import quoted
from engine.vlm.encoder_decoder.answer_cache import AnswerCache
from engine.vlm.encoder_decoder.embedder import Embedder
from engine.vlm.encoder_decoder.greedy import Greedy
from engine.vlm.encoder_decoder.prediction import Predictions, Question
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix
from engine.vlm.encoder_decoder.writing import check_writing, written

SCALE = 20.0
"""Of cosines, to have log-probabilities: what sentence-transformers' models are trained with."""


class ByEmbedding:
    """``vlm.answer = "embedding"``."""

    def __init__(
        self,
        model: Any,
        questions: Questions,
        class_names: Sequence[str],
        embedder: Embedder,
        answers: AnswerCache,
        how: Greedy,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        Args:
            model: an image-text-to-text model of transformers.
            questions: makes its inputs.
            class_names: embedded once, here.
            embedder: of answers and names.
            answers: known ones, which are not written again.
            how: they are written.
            report: gets a sentence on names that can't be told apart.

        Raises:
            ModelError: if the embedder has nothing for a class name.
        """
        self.rests_on = f"{embedder.weights} {how.rests_on}"
        self._model = model
        self._questions = questions
        self._embedder = embedder
        self._answers = answers
        self._how = how
        self._names = embedder.embed(class_names)  # (classes, d)
        for name, point in zip(class_names, self._names, strict=True):
            if not point.any():
                raise ModelError(
                    f"the embedder {embedder.name} has nothing for the class name {quoted(name)}, "
                    "so no answer could be near it; choose another vlm.embedder"
                )
        if same := _same(class_names, self._names):
            report(
                f"the embedder {embedder.name} can't tell {same}: an answer near them counts for "
                "the first"
            )

    def check(self, image: Image.Image, prefix: ImagePrefix) -> None:
        """As ``Predictor.check``: the first tokens are the most likely ones of a plain reading."""
        template = "What is shown?"
        question, inputs = (
            self._questions.question(template),
            self._questions.inputs(image, template),
        )
        check_writing(self._model, prefix, question, inputs, template)

    def longest(self, template: str) -> str:
        """The template: it is asked as it is."""
        return template

    def known(
        self, images: Sequence[str], question: Question
    ) -> tuple[Sequence[int], Predictions] | None:
        """As ``Predictor.known``: where the answer is known."""
        found = self._answers.known(images, question)
        return (list(found), self._judged(list(found.values()))) if found else None

    def predict(
        self, images: Sequence[str], prefixes: Sequence[ImagePrefix], question: Question
    ) -> Predictions:
        """As ``Predictor.predict``; the answers are kept.

        Raises:
            ModelError: if the scores of tokens, or the embedder's numbers, are none.
        """
        asked = [question.tokens] * len(prefixes)
        answers = written(self._model, self._questions, prefixes, asked, self._how, question.text)
        self._answers.put(images, question, answers)
        return self._judged(answers)

    def combine(self, each: Sequence[Predictions]) -> Predictions:
        """The mean of the answers' points, of those that have one, against the names.

        As the ensemble of a dual encoder is the mean of its templates' points. The mean of the
        cosines is the cosine of the mean up to its length, which all classes share.
        """
        named = torch.stack([one.named for one in each])  # (questions, images)
        found = torch.stack([one.log_probabilities for one in each])
        count = named.sum(dim=0).clamp(min=1)
        mean = (found * named[:, :, None]).sum(dim=0) / count[:, None]
        return Predictions(mean.log_softmax(dim=-1), named.any(dim=0), each[0].answers)

    def _judged(self, answers: Sequence[str]) -> Predictions:
        points = self._embedder.embed(answers)
        named = torch.tensor([bool(answer) for answer in answers]) & points.any(dim=-1)
        cosines = (points @ self._names.T).where(named[:, None], 0.0)
        return Predictions((SCALE * cosines).log_softmax(dim=-1), named, tuple(answers))


def _same(names: Sequence[str], points: torch.Tensor) -> str:
    """Two names that are one point, as ``A from B``; empty for none."""
    seen: dict[bytes, str] = {}
    for name, point in zip(names, points, strict=True):
        first = seen.setdefault(point.numpy().tobytes(), name)
        if first != name:
            return f"{quoted(first)} from {quoted(name)}"
    return ""

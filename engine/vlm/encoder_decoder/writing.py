"""Answers to questions that differ from image to image, written greedily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine.common.errors import ModelError
from engine.vlm.encoder_decoder.greedy import Greedy, shortfall, write_answers
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, Inputs, tolerance


def by_length(questions: Sequence[Sequence[int]]) -> list[list[int]]:
    """The indices of questions of the same number of tokens: those can be read together."""
    found: dict[int, list[int]] = {}
    for index, question in enumerate(questions):
        found.setdefault(len(question), []).append(index)
    return list(found.values())


def written(
    model: Any,
    questions: Questions,
    prefixes: Sequence[ImagePrefix],
    asked: Sequence[Sequence[int]],
    how: Greedy,
    template: str,
) -> list[str]:
    """The answers to the tokens that are asked behind each prefix.

    Raises:
        ModelError: if the scores of tokens are not numbers; names the template.
    """
    found = [""] * len(asked)
    for rows in by_length(asked):
        with _numbers(template):
            answers = write_answers(
                model, [prefixes[r] for r in rows], [asked[r] for r in rows], how
            )
        for row, tokens in zip(rows, answers, strict=True):
            found[row] = questions.text(tokens)
    return found


@contextmanager
def _numbers(template: str) -> Iterator[None]:
    """Say in words that scores of tokens are not numbers."""
    try:
        yield
    except FloatingPointError:
        raise ModelError(
            f"the VLM's scores of the template {template!r} are not numbers; "
            "try vlm.precision = 'fp32'"
        ) from None


def check_writing(
    model: Any, prefix: ImagePrefix, question: Sequence[int], inputs: Inputs, template: str
) -> None:
    """See that the first tokens that are written behind a prefix are the most likely ones.

    Args:
        model: an image-text-to-text model of transformers.
        prefix: of an image.
        question: the tokens behind it.
        inputs: the same as a whole, for a plain reading.
        template: that is asked with, as text.

    Raises:
        ModelError: if they are not, or if scores of tokens are not numbers.
    """
    plainly = Greedy(frozenset(), most=3)
    with _numbers(template):
        tokens = write_answers(model, [prefix, prefix], [question, question], plainly)[1]
    away = shortfall(model, inputs, tokens)
    if not away <= tolerance(model):
        raise ModelError(
            "answers written together are others than alone (a token is less likely by "
            f"{away:.3f} nats), so models of this kind ({model.config.model_type}) can't be used; "
            "choose another vlm.model"
        )

"""Answers to questions that differ from image to image, written greedily."""

from __future__ import annotations

from collections.abc import Sequence
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
        try:
            answers = write_answers(
                model, [prefixes[r] for r in rows], [asked[r] for r in rows], how
            )
        except FloatingPointError:
            raise ModelError(
                f"the VLM's scores of the template {template!r} are not numbers; "
                "try vlm.precision = 'fp32'"
            ) from None
        for row, tokens in zip(rows, answers, strict=True):
            found[row] = questions.text(tokens)
    return found


def check_writing(model: Any, prefix: ImagePrefix, question: Sequence[int], inputs: Inputs) -> None:
    """See that the first tokens that are written behind a prefix are the most likely ones.

    Args:
        model: an image-text-to-text model of transformers.
        prefix: of an image.
        question: the tokens behind it.
        inputs: the same as a whole, for a plain reading.

    Raises:
        ModelError: if they are not.
    """
    plainly = Greedy(frozenset(), most=3)
    tokens = write_answers(model, [prefix, prefix], [question, question], plainly)[1]
    away = shortfall(model, inputs, tokens)
    if not away <= tolerance(model):
        raise ModelError(
            "answers written together are others than alone (a token is less likely by "
            f"{away:.3f} nats), so models of this kind ({model.config.model_type}) can't be used; "
            "choose another vlm.model"
        )

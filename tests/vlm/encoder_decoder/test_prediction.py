"""Predictions of images, whatever way they were made."""

from __future__ import annotations

import pytest
import torch

from engine.vlm.encoder_decoder.prediction import Predictions, in_order


def made(*classes: int | None, of: int = 3, answers: tuple[str, ...] | None = None) -> Predictions:
    """Images with these classes, each at a probability of one half."""
    found = torch.full((len(classes), of), 0.5 / (of - 1)).log()
    for row, number in enumerate(classes):
        found[row] = torch.full((of,), 1 / of).log() if number is None else found[row]
        if number is not None:
            found[row, number] = torch.tensor(0.5).log()
    named = torch.tensor([number is not None for number in classes])
    return Predictions(found, named, answers or (None,) * len(classes))


def test_an_answer_that_names_no_class_is_wrong_whatever_the_truth_is() -> None:
    for truth in range(3):
        score = made(None, 1).score(torch.tensor([truth, 1]))
        assert score.hits == 1 and score.n == 2
        assert score.margin == pytest.approx((torch.tensor([1 / 3, 0.5]).log().mean()).item())
    assert made(None, 2).classes.tolist() == [-1, 2]


def test_parts_come_back_in_the_order_of_their_rows() -> None:
    parts = [
        ((2, 0), made(2, 0, answers=("two", "zero"))),
        ((1,), made(None, answers=("one",))),
    ]
    found = in_order(parts)
    assert found.classes.tolist() == [0, -1, 2]
    assert found.answers == ("zero", "one", "two")

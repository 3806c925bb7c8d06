"""The shipped tiny CLIP: loads offline as an ordinary model, and the wording matters to it."""

import socket
from typing import Any

import open_clip
import pytest
import torch

from engine.data.demo_world.vocabulary import DEFAULT_TASK, TASKS
from engine.demo.training.ladder import WEIGHTS, Encoder, Ladder, measure
from engine.demo.training.train_clip import encode_text


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="module")
def ladder(encoder: Encoder) -> Ladder:
    return measure(encoder, TASKS[DEFAULT_TASK], wordings=2, guesses=40, test_images=40)


def test_it_loads_as_a_local_directory_with_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    name = f"local-dir:{WEIGHTS}"
    model, _, _ = open_clip.create_model_and_transforms(name)
    tokens = open_clip.get_tokenizer(name)(["a photo of a cup."])
    assert model.encode_text(tokens).shape == (1, 48)


def test_texts_cut_at_the_longest_have_the_same_features(encoder: Encoder) -> None:
    texts = ["a cup", "a photo of a bell, turned upside down and in blue light.", "an axe"]
    ids = encoder.tokenizer(texts)
    lengths = (ids != 0).sum(1)
    with torch.no_grad():
        whole = encoder.model.encode_text(ids)
        cut = encode_text(encoder.model, ids[:, : int(lengths.max())])
    assert torch.allclose(whole, cut, atol=1e-5)


def test_the_tokenizer_reads_any_text_and_ends_with_the_highest_token(encoder: Encoder) -> None:
    texts = ["", "ZEBRA zebra", "naïve 日本 \x00", "word " * 500]
    ids = encoder.tokenizer(texts)
    assert ids.shape == (4, 64)
    ends = ids.argmax(1)
    assert (ids.max(1).values == encoder.tokenizer.tokenizer.eos_token_id).all()
    for row, end in zip(ids, ends, strict=True):
        assert (row[end + 1 :] == encoder.tokenizer.tokenizer.pad_token_id).all()
    case = encoder.tokenizer(["A Photo", "a photo"])
    assert torch.equal(case[0], case[1])
    assert encoder.tokenizer.tokenizer.unk_token_id is None


def test_naming_the_right_factors_climbs_in_even_steps(ladder: Ladder) -> None:
    assert 0.38 <= ladder.seed <= 0.6
    steps = [b - a for a, b in zip(ladder.right, ladder.right[1:], strict=False)]
    assert min(steps) > 0.05, ladder.right
    assert ladder.right[4] >= 0.8
    assert all(gain > 0.03 for gain in ladder.each.values()), ladder.each


def test_wrong_factors_mislead(ladder: Ladder) -> None:
    assert ladder.wrong < ladder.right[0] - 0.05


def test_five_shots_a_class_foretell_the_test_accuracy(ladder: Ladder) -> None:
    assert ladder.correlation > 0.95

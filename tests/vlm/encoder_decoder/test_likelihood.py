"""The packed reading of class names against the plainest one, for every family."""

from __future__ import annotations

import pytest
import torch

from engine.vlm.encoder_decoder.class_trie import build_trie
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods, one_by_one
from engine.vlm.encoder_decoder.reading import cut_inputs, read_prefix
from tests.support.tiny_vlms import FAMILIES, make

NAMES = [[20, 21], [20, 22, 23], [30], [20, 21, 24], [40, 41, 42, 43], [40, 41, 44]]
QUESTIONS = [[10, 11, 12], [13], [10, 14, 15, 16, 17]]


def asked(ids: list[int], inputs: dict, question: list[int]) -> dict:
    """What the model reads of an image and a question, as a processor would give it."""
    whole = torch.tensor([[*ids, *question]])
    grown = {
        key: torch.cat([value, value.new_zeros(1, len(question))], dim=1)
        for key, value in inputs.items()
        if value.shape == (1, len(ids))
    }
    return {**inputs, **grown, "input_ids": whole}


@pytest.mark.parametrize("family", FAMILIES)
def test_names_read_together_are_as_likely_as_alone(family: str) -> None:
    model, ids, inputs = make(family)
    prefix = read_prefix(model, {"input_ids": torch.tensor([ids]), **inputs})
    before = [(keys.clone(), values.clone()) for keys, values in prefix.layers]
    trie = build_trie(NAMES)
    for question in QUESTIONS:
        plain = [one_by_one(model, asked(ids, inputs, question), name) for name in NAMES]
        for rows in (2, 256):
            found = class_log_likelihoods(model, [prefix, prefix], question, trie, rows)
            assert torch.allclose(found, torch.tensor(plain).expand(2, -1), atol=2e-4)
    for (keys, values), (kept_keys, kept_values) in zip(before, prefix.layers, strict=True):
        assert torch.equal(keys, kept_keys) and torch.equal(values, kept_values)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_question_about_two_images_is_never_mixed_up(family: str) -> None:
    model, ids, inputs = make(family)
    other = {**inputs, "pixel_values": torch.randn_like(inputs["pixel_values"])}
    images = [{"input_ids": torch.tensor([ids]), **some} for some in (inputs, other)]
    one, two = (read_prefix(model, image) for image in images)
    trie = build_trie(NAMES)
    both = class_log_likelihoods(model, [one, two], QUESTIONS[0], trie)
    swapped = class_log_likelihoods(model, [two, one], QUESTIONS[0], trie)
    alone = class_log_likelihoods(model, [two], QUESTIONS[0], trie)
    assert torch.allclose(both, swapped.flip(0), atol=1e-5)
    assert torch.allclose(both[1:], alone, atol=1e-5)
    assert not torch.allclose(both[0], both[1], atol=1e-4)


def test_names_of_one_token_need_no_token_to_be_read() -> None:
    model, ids, inputs = make("llava")
    prefix = read_prefix(model, {"input_ids": torch.tensor([ids]), **inputs})
    found = class_log_likelihoods(model, [prefix], QUESTIONS[0], build_trie([[20], [30]]))
    plain = [one_by_one(model, asked(ids, inputs, QUESTIONS[0]), name) for name in ([20], [30])]
    assert torch.allclose(found, torch.tensor([plain]), atol=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_image_may_have_a_question_of_its_own(family: str) -> None:
    model, ids, inputs = make(family)
    prefix = read_prefix(model, {"input_ids": torch.tensor([ids]), **inputs})
    trie = build_trie(NAMES)
    asked = [[*QUESTIONS[0][:-1], last] for last in (11, 12, 13)]
    found = class_log_likelihoods(model, [prefix] * 3, asked, trie)
    alone = [class_log_likelihoods(model, [prefix], question, trie)[0] for question in asked]
    assert torch.allclose(found, torch.stack(alone), atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-4)


def test_images_of_two_lengths_are_not_read_together() -> None:
    model, ids, inputs = make("llava")
    whole = {"input_ids": torch.tensor([[3, *ids]]), **inputs}
    long = read_prefix(model, whole)
    short = read_prefix(model, {"input_ids": torch.tensor([ids]), **inputs})
    with pytest.raises(ValueError, match="different lengths"):
        class_log_likelihoods(model, [long, short], [10], build_trie(NAMES))


def test_only_what_is_per_token_is_cut() -> None:
    inputs = {
        "input_ids": torch.arange(6)[None],
        "attention_mask": torch.ones(1, 6),
        "pixel_values": torch.zeros(1, 3, 6, 6),
    }
    cut = cut_inputs(inputs, 4)
    assert cut["input_ids"].tolist() == [[0, 1, 2, 3]]
    assert cut["attention_mask"].shape == (1, 4)
    assert cut["pixel_values"].shape == (1, 3, 6, 6)

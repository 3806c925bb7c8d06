"""Answers that are written together against those of ``generate`` of transformers, one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.vlm.encoder_decoder import greedy
from engine.vlm.encoder_decoder.greedy import Greedy, shortfall, write_answers
from engine.vlm.encoder_decoder.reading import ImagePrefix, grown_inputs, read_prefix
from tests.support.tiny_vlms import FAMILIES, make

QUESTION = [10, 11, 12]
MOST = 10


def images(family: str, count: int) -> tuple[Any, list[int], list[dict]]:
    """A model, the ids up to behind an image, and the inputs of several images."""
    model, ids, inputs = make(family)
    others = [torch.randn_like(inputs["pixel_values"]) * 3 for _ in range(count - 1)]
    pixels = [inputs["pixel_values"], *others]
    whole = torch.tensor([ids])
    return model, ids, [{"input_ids": whole, **inputs, "pixel_values": p} for p in pixels]


def generated(model: Any, inputs: dict, question: list[int], **options: Any) -> list[int]:
    """What transformers writes about one image, with what ends it."""
    asked = grown_inputs(inputs, question)
    options = {"do_sample": False, "max_new_tokens": MOST, "pad_token_id": 0, **options}
    found = model.generate(**asked, **options)
    return found[0, asked["input_ids"].shape[1] :].tolist()


def prefixes_of(model: Any, inputs: list[dict]) -> list[ImagePrefix]:
    return [read_prefix(model, some) for some in inputs]


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_token_for_token_those_of_generate(family: str) -> None:
    model, _, inputs = images(family, 4)
    prefixes = prefixes_of(model, inputs)
    before = [(keys.clone(), values.clone()) for keys, values in prefixes[0].layers]
    for question in (QUESTION, [13]):
        plain = [generated(model, some, question, eos_token_id=None) for some in inputs]
        how = Greedy(frozenset(), MOST)
        assert write_answers(model, prefixes, question, how) == plain
        assert write_answers(model, prefixes[1:2], question, how) == plain[1:2]
    for kept, copied in zip(prefixes[0].layers, before, strict=True):
        assert all(map(torch.equal, kept, copied))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_answer_ends_for_itself(family: str) -> None:
    model, _, inputs = images(family, 4)
    free = [generated(model, some, QUESTION, eos_token_id=None) for some in inputs]
    ends = [free[0][2], free[1][4], free[3][7]]
    plain = [generated(model, some, QUESTION, eos_token_id=ends) for some in inputs]
    cut = [tokens[:-1] if tokens[-1] in ends else tokens for tokens in plain]
    prefixes = prefixes_of(model, inputs)
    assert write_answers(model, prefixes, QUESTION, Greedy(frozenset(ends), MOST)) == cut
    if family == "llava":  # whose answers differ
        assert len({len(tokens) for tokens in cut}) > 1
    none = Greedy(frozenset(tokens[0] for tokens in free), MOST)
    assert write_answers(model, prefixes, QUESTION, none) == [[]] * 4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_own_repetition_penalty_is_that_of_generate(family: str) -> None:
    model, ids, inputs = images(family, 2)
    options = {"eos_token_id": None, "repetition_penalty": 2.5}
    plain = [generated(model, some, QUESTION, **options) for some in inputs]
    how = Greedy(frozenset(), MOST, penalty=2.5, before=frozenset(ids))
    assert write_answers(model, prefixes_of(model, inputs), QUESTION, how) == plain
    if family == "gemma3":  # which repeats itself
        assert plain != [generated(model, some, QUESTION, eos_token_id=None) for some in inputs]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_image_may_have_a_question_of_its_own(family: str) -> None:
    model, ids, inputs = images(family, 3)
    asked = [[*QUESTION[:-1], last] for last in (11, 12, 13)]
    for penalty in (1.0, 2.5):
        options = {"eos_token_id": None, "repetition_penalty": penalty}
        plain = [
            generated(model, some, q, **options) for some, q in zip(inputs, asked, strict=True)
        ]
        how = Greedy(frozenset(), MOST, penalty=penalty, before=frozenset(ids))
        assert write_answers(model, prefixes_of(model, inputs), asked, how) == plain


def test_the_same_question_about_different_images_is_never_mixed_up() -> None:
    model, _, inputs = images("llava", 5)
    prefixes = prefixes_of(model, inputs)
    how = Greedy(frozenset(), MOST)
    alone = [write_answers(model, [prefix], QUESTION, how)[0] for prefix in prefixes]
    assert len({tuple(tokens) for tokens in alone}) == 5
    ends = Greedy(frozenset({alone[1][1], alone[4][4]}), MOST)
    cut = [write_answers(model, [prefix], QUESTION, ends)[0] for prefix in prefixes]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [1, 1, 0]):
        some = [prefixes[i] for i in order]
        assert write_answers(model, some, QUESTION, how) == [alone[i] for i in order]
        assert write_answers(model, some, QUESTION, ends) == [cut[i] for i in order]


def test_rows_that_have_ended_are_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _, inputs = images("llava", 3)
    free = [generated(model, some, QUESTION, eos_token_id=None) for some in inputs]
    sizes: list[int] = []

    class Counting(greedy.Reader):
        def read_on(self, cache: Any, ids: torch.Tensor, *rest: Any, **options: Any) -> Any:
            sizes.append(len(ids))
            return super().read_on(cache, ids, *rest, **options)

    monkeypatch.setattr(greedy, "Reader", Counting)
    how = Greedy(frozenset({free[1][4]}), MOST)
    found = write_answers(model, prefixes_of(model, inputs), QUESTION, how)
    longest = max(map(len, found))
    assert sizes[0] == 3 and sizes == sorted(sizes, reverse=True) and sizes[-1] < 3
    assert len(sizes) <= min(longest + 1, MOST)


def test_images_of_two_lengths_are_not_read_together() -> None:
    model, ids, inputs = images("llava", 1)
    longer = {**inputs[0], "input_ids": torch.tensor([[3, *ids]])}
    both = prefixes_of(model, [inputs[0], longer])
    with pytest.raises(ValueError, match="different lengths"):
        write_answers(model, both, QUESTION, Greedy(frozenset()))


def test_scores_that_are_no_numbers_are_not_taken_for_a_token() -> None:
    model, _, inputs = images("llava", 2)
    prefixes = prefixes_of(model, inputs)
    model.lm_head.weight.data[5] = float("nan")
    with pytest.raises(FloatingPointError):
        write_answers(model, prefixes, QUESTION, Greedy(frozenset()))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_reading_says_how_far_from_the_most_likely_tokens_are(family: str) -> None:
    model, _, inputs = images(family, 1)
    asked = grown_inputs(inputs[0], QUESTION)
    tokens = write_answers(model, prefixes_of(model, inputs), QUESTION, Greedy(frozenset(), 3))[0]
    assert shortfall(model, asked, tokens) < 1e-3
    assert shortfall(model, asked, [tokens[0] - 1, *tokens[1:]]) > 1e-2

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.common.errors import ModelError
from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.loop import decode
from engine.llm.interface import Reply, TokenColumn
from engine.llm.transformers_llm import LocalLLM
from engine.steering.direction import Steering
from engine.steering.layers import find_decoder_layers
from engine.steering.modes import MODES
from tests.support.slow_decoding import slow_decode
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

PROMPT = [0, 3, *range(40, 52), 4]
GREEDY = SamplingConfig(temperature=0, max_new_tokens=12)
SAMPLED = SamplingConfig(temperature=1.3, max_new_tokens=12)
MESSAGES = [{"role": "user", "content": "Write a prompt."}]
TOKENIZER = tiny_tokenizer()


def run(columns: Any) -> tuple[list[tuple[str, ...]], list[Reply]]:
    texts = []
    while True:
        try:
            news = next(columns)
            if isinstance(news, TokenColumn):
                texts.append(news.texts)
        except StopIteration as end:
            return texts, end.value


def decoded(model, layout, sampling, seeds, stops=frozenset()):
    decoder = Decoder.of(model, find_decoder_layers(model))
    reader = make_reader(layout, decoder, PROMPT, len(seeds), sampling.max_new_tokens)
    return run(decode(reader, TOKENIZER, sampling, seeds, stops, ""))


def llm(family: str = "llama-gqa-tied", **changes: Any) -> LocalLLM:
    return LocalLLM("tiny", tiny_model(family, **changes), tiny_tokenizer())


@pytest.mark.parametrize("layout", ["packed", "window", "reread"])
@pytest.mark.parametrize("family", ["llama", "qwen3", "mistral-sliding", "gemma3-sliding"])
def test_greedy_equals_generate(family, layout):
    model = tiny_model(family)
    ids = torch.tensor([PROMPT])
    expected = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=12,
        eos_token_id=None,
    )
    text = TOKENIZER.decode(expected[0, len(PROMPT) :], skip_special_tokens=True)
    _, replies = decoded(model, layout, GREEDY, [0, 1])
    assert replies[0] == replies[1]
    assert replies[0].tokens == 12
    assert replies[0].text == text.rstrip("\ufffd")


@pytest.mark.parametrize("layout", ["packed", "window", "reread"])
def test_sampled_tokens_equal_those_of_decoding_one_by_one(layout):
    model = tiny_model("llama")
    _, replies = decoded(model, layout, SAMPLED, [3, 4, 5])
    for seed, reply in zip([3, 4, 5], replies, strict=True):
        tokens, _ = slow_decode(model, PROMPT, SAMPLED, seed, {})
        text = TOKENIZER.decode(tokens, skip_special_tokens=True)
        assert reply.text == text.rstrip("\ufffd")


@pytest.mark.parametrize("mode", [None, "last-token", "generated-tokens"])
def test_a_reply_does_not_depend_on_the_others(mode):
    model = llm()
    direction = model.direction("a photo of a <category>.", "<category>?", "no-bos")
    steering = Steering(direction, (2,), 1.0, mode) if mode else None
    _, together = run(model.propose(MESSAGES, SAMPLED, [9, 8, 7, 6], steering))
    _, turned = run(model.propose(MESSAGES, SAMPLED, [6, 7, 8, 9], steering))
    alone = [run(model.propose(MESSAGES, SAMPLED, [s], steering))[1][0] for s in (9, 8, 7, 6)]
    assert together == turned[::-1] == alone
    assert len({reply.text for reply in together}) == 4


def test_the_same_seeds_give_the_same_replies():
    model = llm()
    first = run(model.propose(MESSAGES, SAMPLED, [1, 2]))
    assert first == run(model.propose(MESSAGES, SAMPLED, [1, 2]))
    assert first != run(model.propose(MESSAGES, SAMPLED, [1, 3]))


def test_alpha_0_and_mode_off_are_no_steering():
    model = llm()
    direction = model.direction("a photo of a <category>.", "<category>?", "no-bos")
    plain = run(model.propose(MESSAGES, SAMPLED, [1, 2]))
    for steering in (
        Steering(direction, (2,), 0.0, "last-token"),
        Steering(direction, (2,), 1.0, "off"),
    ):
        assert run(model.propose(MESSAGES, SAMPLED, [1, 2], steering)) == plain
    steered = run(
        model.propose(MESSAGES, SAMPLED, [1, 2], Steering(direction, (2,), 1.0, "last-token"))
    )
    assert steered != plain


@pytest.mark.parametrize("layout", ["packed", "window", "reread"])
def test_a_row_ends_at_a_stop_token_and_the_others_go_on(layout):
    model = tiny_model("llama")
    _, full = decoded(model, layout, SAMPLED, [0, 1, 2])
    tokens = [slow_decode(model, PROMPT, SAMPLED, seed, {})[0] for seed in range(3)]
    stop = tokens[1][4]
    ends = [row.index(stop) if stop in row else None for row in tokens]
    columns, replies = decoded(model, layout, SAMPLED, [0, 1, 2], frozenset({stop}))
    for row, end in enumerate(ends):
        reply = replies[row]
        assert reply.finish == ("length" if end is None else "stop")
        assert reply.tokens == (12 if end is None else end)
        assert full[row].text.startswith(reply.text)
        assert "".join(texts[row] for texts in columns) == reply.text
        if end is not None:
            assert not any(texts[row] for texts in columns[end:])


def test_decoding_stops_when_all_rows_have_ended():
    columns, replies = decoded(
        tiny_model("llama"), "packed", SAMPLED, [0, 1], frozenset(range(262))
    )
    assert columns == [("", "")]
    assert replies == [Reply("", 0, "stop")] * 2


def test_no_seeds_no_replies():
    assert run(llm().propose(MESSAGES, SAMPLED, [])) == ([], [])


@pytest.mark.parametrize("mode", MODES)
def test_no_hook_or_torch_mode_is_left_at_a_yield_or_after_close(mode):
    model = tiny_model("llama")
    engine = LocalLLM("tiny", model, TOKENIZER)
    aligned = mode == "actadd"
    direction = engine.direction("a photo of a <category>.", "<category>?", "no-bos", aligned)
    columns = engine.propose(MESSAGES, SAMPLED, [1, 2], Steering(direction, (1, 2), 1.0, mode))

    def hooks() -> int:
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())

    for _ in range(3):
        next(columns)
        assert hooks() == 0
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    columns.close()
    assert hooks() == 0


def test_another_call_between_two_tokens_changes_nothing():
    engine = llm()
    direction = engine.direction("a photo of a <category>.", "<category>?", "no-bos")
    steering = Steering(direction, (1,), 1.0, "last-token")
    expected = run(engine.propose(MESSAGES, SAMPLED, [1, 2], steering))
    columns = engine.propose(MESSAGES, SAMPLED, [1, 2], steering)
    head = [next(columns).texts, next(columns).texts]
    again = engine.direction("a photo of a <category>.", "<category>?", "no-bos")
    assert torch.equal(again.offsets, direction.offsets)
    rest, replies = run(columns)
    assert ([*head, *rest], replies) == expected


def test_hooks_come_off_when_the_model_fails():
    model = tiny_model("llama")
    engine = LocalLLM("tiny", model, TOKENIZER)
    direction = engine.direction("a photo of a <category>.", "<category>?", "no-bos")
    columns = engine.propose(MESSAGES, SAMPLED, [1], Steering(direction, (1,), 1.0, "last-token"))
    next(columns)
    model.model.layers[3].mlp.down_proj.weight.data = torch.zeros(1, 1)  # no longer fits
    with pytest.raises(RuntimeError):
        next(columns)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_logits_that_are_not_finite_are_an_error_that_names_the_prompt():
    model = tiny_model("llama")
    model.model.norm.weight[0] = torch.nan
    engine = LocalLLM("tiny", model, TOKENIZER)
    with pytest.raises(ModelError, match=r"NaN or infinite logits .*'Write a prompt\.'"):
        next(engine.propose(MESSAGES, SAMPLED, [1]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_models_decode_and_steer(dtype):
    engine = LocalLLM("tiny", tiny_model("llama-gqa-tied").to(dtype), TOKENIZER)
    assert engine.layouts.steered[0] == "static"
    direction = engine.direction("a photo of a <category>.", "<category>?", "no-bos")
    assert direction.offsets.dtype == torch.float32
    steering = Steering(direction, (2,), 1.0, "last-token")
    _, replies = run(engine.propose(MESSAGES, SAMPLED, [1, 2], steering))
    assert all(reply.tokens for reply in replies)

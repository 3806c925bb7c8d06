"""Every mode against a slow formulation: no cache, everything read again, the sum written out."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config import SamplingConfig
from engine.llm.chat import prompt_tokens
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.layouts import make_reader
from engine.llm.interface import SteeringShift
from engine.llm.transformers_llm import LocalLLM
from engine.steering.direction import Direction, Steering
from engine.steering.injection import make_injection
from engine.steering.layers import find_decoder_layers
from engine.steering.modes import MODES
from engine.steering.offsets import FixedOffset, RelativeOffset
from tests.support.generators import run_through
from tests.support.slow_decoding import plain_layers
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

FAMILIES = ("llama", "llama-gqa-tied", "mistral-sliding", "gemma3-sliding", "gpt2")
LAYOUTS = ("static", "split", "packed", "window", "reread")
PROMPT = [0, 3, *range(90, 120), 4]
COLUMNS = torch.tensor([[20, 30], [21, 31], [22, 32], [23, 33]])  # (tokens, rows)
MESSAGES = [{"role": "user", "content": "Write a template, please, for photos."}]


@cache
def language_model(family: str) -> LocalLLM:
    return LocalLLM(family, tiny_model(family), tiny_tokenizer())


@cache
def direction(family: str, mode: str) -> Direction:
    texts = ("a photo of a <category>.", "<category>?")
    return language_model(family).direction(*texts, "no-bos", mode == "actadd")


def slow_offset(mode: str, state: Tensor, position: int, layer: int, d: Direction) -> Tensor:
    """What one state (d,) at one position gets at alpha 1, absolute."""
    positive, negative = (states[layer] for states in d.states)
    if mode == "actadd":
        return positive[position] - negative[position]
    if mode.startswith("cross-attention"):
        read = []
        for states in (positive[d.start :], negative[d.start :]):
            scores = [float(state @ other) / math.sqrt(len(state)) for other in states]
            highest = max(scores)
            weights = [math.exp(score - highest) for score in scores]
            total = sum(weights)
            read.append(sum(w / total * s for w, s in zip(weights, states, strict=True)))
        return read[0] - read[1]
    return d.offsets[layer]


def positions(mode: str, length: int, prompt: int, d: Direction) -> range:
    """The steered positions of ``length`` tokens, the first ``prompt`` of them the prompt's."""
    return {
        "last-token": range(length - 1, length),
        "cross-attention": range(length - 1, length),
        "generated-tokens": range(prompt - 1, length),
        "all-tokens": range(length),
        "cross-attention-all": range(length),
        "actadd": range(min(d.states[0].shape[1], prompt - 1)),
    }[mode]


@torch.inference_mode()
def slow_logits(
    model: Any, ids: list[int], steering: Steering, prompt: int = len(PROMPT)
) -> Tensor:
    """Logits (V,) after ``ids``, position by position and layer by layer."""

    def adder(layer: int) -> Any:
        def add(_module: Any, _args: Any, output: Any) -> Any:
            state = (output[0] if isinstance(output, tuple) else output).clone()
            for position in positions(steering.mode, len(ids), prompt, steering.direction):
                old = state[0, position].clone()
                offset = slow_offset(steering.mode, old, position, layer, steering.direction)
                if steering.alpha_unit == "relative" and float(offset.norm()) > 0:
                    offset = offset / offset.norm() * old.norm()
                state[0, position] = old + steering.alpha * offset
            return (state, *output[1:]) if isinstance(output, tuple) else state

        return add

    layers = plain_layers(model)
    handles = [layers[i].register_forward_hook(adder(i)) for i in steering.layers]
    try:
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("layers", [(1,), (0, 2)], ids=str)
@pytest.mark.parametrize("unit", ["absolute", "relative"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_mode_equals_the_slow_formulation(family, mode, unit, layers):
    model = tiny_model(family)
    decoder = Decoder.of(model, find_decoder_layers(model))
    steering = Steering(direction(family, mode), layers, 0.7, mode, unit)
    first = slow_logits(model, PROMPT, steering)  # both rows begin with the prompt
    expected = [
        torch.stack(
            [
                first,
                *(
                    slow_logits(model, [*PROMPT, *COLUMNS[:n, row].tolist()], steering)
                    for n in range(1, len(COLUMNS) + 1)
                ),
            ]
        )
        for row in range(2)
    ]
    plain = model(input_ids=torch.tensor([PROMPT]), use_cache=False).logits[0, -1]
    # Where a state reads nearly the same from P+ as from P-, a relative alpha blows the rounding of
    # their difference up to full length.
    tolerance = 1e-2 if unit == "relative" and mode == "cross-attention-all" else 2e-4
    assert float((expected[0][0] - plain).abs().max()) > 10 * tolerance
    supported = language_model(family).layouts
    for layout in LAYOUTS:
        if layout not in (*supported.steered, *supported.plain, "packed"):
            continue
        injection = make_injection(decoder.layers, steering)
        reader = make_reader(layout, decoder, PROMPT, 2, 5, injection)
        ours = [reader.first().expand(2, -1), *(reader.next(tokens) for tokens in COLUMNS)]
        for row in range(2):
            torch.testing.assert_close(
                torch.stack(ours)[:, row], expected[row], atol=tolerance, rtol=1e-4
            )


def test_actadd_leaves_the_beginning_of_the_text_alone_and_every_mode_differs():
    family = "llama"
    aligned = direction(family, "actadd")
    assert aligned.states[0].shape == aligned.states[1].shape
    assert float((aligned.states[0] - aligned.states[1])[:, 0].abs().max()) < 1e-5
    model = tiny_model(family)
    seen = [
        slow_logits(model, PROMPT, Steering(direction(family, mode), (1,), 1.0, mode))
        for mode in MODES
    ]
    for i, logits in enumerate(seen):
        for mode, other in zip(list(MODES)[:i], seen[:i], strict=True):
            # These two are the same at the first token.
            same = {mode, list(MODES)[i]} == {"last-token", "generated-tokens"}
            assert (float((logits - other).abs().max()) < 1e-4) == same


def test_alpha_zero_off_and_a_foreign_direction():
    layers = find_decoder_layers(tiny_model("llama"))
    d = direction("llama", "last-token")
    assert make_injection(layers, Steering(d, (1,), 0.0, "last-token")) is None
    assert make_injection(layers, Steering(d, (1,), 1.0, "off")) is None
    with pytest.raises(ValueError, match="4 layers, the model 2"):
        make_injection(layers[:2], Steering(d, (1,), 1.0, "last-token"))


def test_relative_alpha_is_a_share_of_the_state_norm():
    state = torch.randn(2, 3, 8)
    added = RelativeOffset(FixedOffset(torch.randn(8)), 0.3)(state)
    torch.testing.assert_close(added.norm(dim=-1), 0.3 * state.norm(dim=-1))
    nothing = RelativeOffset(FixedOffset(torch.zeros(8)), 0.3)(state)
    assert not nothing.any()


# -- what is measured on the way -----------------------------------------------------------------


def run(family: str, mode: str, **options: Any) -> tuple[list[Any], list[Any]]:
    sampling = SamplingConfig(max_new_tokens=6, temperature=1.2)
    steering = Steering(direction(family, mode), (2,), 1.5, mode)
    work = language_model(family).propose(MESSAGES, sampling, [1, 2, 3], steering, **options)
    return run_through(work)


@torch.inference_mode()
def slow_distributions(
    family: str, mode: str, ids: list[int], prompt: int
) -> tuple[Tensor, Tensor]:
    """Log-probabilities (V,) after ``ids`` with and without the offset."""
    model = tiny_model(family)
    steering = Steering(direction(family, mode), (2,), 1.5, mode)
    steered = slow_logits(model, ids, steering, prompt)
    plain = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
    return steered.log_softmax(-1), plain.log_softmax(-1)


@pytest.mark.parametrize("mode", ["last-token", "cross-attention"])
def test_the_shift_equals_two_separate_readings(mode):
    family = "llama-gqa-tied"
    news, replies = run(family, mode, trace=True)
    shift = news[-1]
    assert isinstance(shift, SteeringShift)
    tokenizer = tiny_tokenizer()
    prompt = prompt_tokens(tokenizer, MESSAGES)
    vocabulary = tokenizer.get_vocab()
    kls = []
    for reply in replies:
        trace = reply.trace
        sequence = list(prompt)
        kls += trace.kl
        for token, kl, likelihood in zip(
            trace.tokens, trace.kl, trace.log_likelihoods, strict=True
        ):
            log_p, log_q = slow_distributions(family, mode, sequence, len(prompt))
            assert kl == pytest.approx(float((log_p.exp() * (log_p - log_q)).sum()), abs=1e-4)
            if token not in vocabulary:  # a byte that is no text of its own
                break
            assert likelihood == pytest.approx(float(log_q[vocabulary[token]]), abs=1e-4)
            sequence.append(vocabulary[token])
    assert shift.tokens == len(kls)
    assert shift.kl == pytest.approx(sum(kls) / len(kls), abs=1e-5)
    assert shift.kl > 0
    assert 0 <= shift.changed <= 1
    assert list(shift.raised) == sorted(shift.raised, key=lambda pair: -pair[1])
    assert list(shift.lowered) == sorted(shift.lowered, key=lambda pair: pair[1])
    assert all(value > 0 for _, value in shift.raised)
    assert all(value < 0 for _, value in shift.lowered)


@pytest.mark.parametrize("mode", MODES)
def test_only_modes_with_a_clean_cache_measure_for_nothing(mode):
    news, replies = run("llama", mode)
    assert isinstance(news[-1], SteeringShift) == MODES[mode].clean_cache
    assert all(reply.trace is None for reply in replies)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", ["llama", "gemma3-sliding"])
def test_a_trace_changes_no_reply_and_every_mode_has_one(family, mode):
    _, plain = run(family, mode)
    news, traced = run(family, mode, trace=True)
    assert isinstance(news[-1], SteeringShift)
    assert [reply.text for reply in plain] == [reply.text for reply in traced]
    for reply in traced:
        assert len(reply.trace.tokens) == len(reply.trace.kl) == len(reply.trace.log_likelihoods)
        assert all(kl >= 0 for kl in reply.trace.kl)
        assert all(value <= 0 for value in reply.trace.log_likelihoods)
        assert any(kl > 1e-3 for kl in reply.trace.kl)


def test_the_lens_is_the_models_own_head():
    model = tiny_model("llama-gqa-tied")
    llm = language_model("llama-gqa-tied")
    d = direction("llama-gqa-tied", "last-token")
    with torch.inference_mode():
        logits = model.lm_head(model.model.norm(d.offsets))
    for lens, row in zip(llm.lens(d), logits, strict=True):
        assert [value for _, value in lens.raised] == pytest.approx(row.topk(10).values.tolist())
        lowest = row.topk(10, largest=False).values.tolist()
        assert [value for _, value in lens.lowered] == pytest.approx(lowest)
    assert not any(layer._forward_hooks for layer in plain_layers(model))

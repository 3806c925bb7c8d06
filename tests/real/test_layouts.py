"""Every way of reading gives a real LLM's logits as re-reading everything does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.config import LLMConfig, SamplingConfig, SteeringMode
from engine.llm.chat import prompt_tokens
from engine.llm.decoding.capture import as_it_is
from engine.llm.decoding.decoder import Layout
from engine.llm.decoding.graphs import Graphs
from engine.llm.decoding.layouts import make_reader
from engine.llm.interface import SteeringShift
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message
from engine.steering.direction import Steering
from engine.steering.injection import Injection, make_injection
from engine.steering.modes import MODES
from tests.support.generators import run_through

MESSAGES: list[Message] = [
    {"role": "system", "content": "You write prompt templates."},
    {"role": "user", "content": "Write one with <category>. So far: a photo of a <category>."},
]
REPLIES = (
    "a photo of a <category> - a cabinet",
    "An image \U0001f680 of \u65e5\u672c",
    "}{ ]] 1 2",
)
COLUMNS = 4
# Nats between two next-token distributions that rounding to 16 bits makes (3e-3 was seen); what
# is added at alpha 4 moves them by more than 1.
ROUNDED = 0.02


@pytest.fixture(scope="module")
def in_bfloat16(smollm2: Path) -> LocalLLM:
    return LocalLLM.load(LLMConfig(model=str(smollm2), device="cpu", dtype="bfloat16"))


def injection(llm: LocalLLM, mode: SteeringMode, alpha: float) -> Injection | None:
    pair = ("a photo of a <category> - a cabinet", "a photo of a <category>")
    direction = llm.direction(*pair, "no-bos", mode == "actadd")
    return make_injection(llm._decoder.layers, Steering(direction, (16,), alpha, mode))


@cache
def tokens(llm: LocalLLM) -> tuple[list[int], Tensor]:
    """The prompt, and the first tokens (3, COLUMNS) of three replies to it."""
    replies = [llm._tokenizer(text, add_special_tokens=False)["input_ids"] for text in REPLIES]
    ids = torch.tensor([reply[:COLUMNS] for reply in replies])
    return prompt_tokens(llm._tokenizer, MESSAGES), ids


def read(llm: LocalLLM, layout: Layout, steered: Injection | None) -> Tensor:
    """Log-probabilities (rows, V) of all next tokens; one reply ends before its last token."""
    prompt, ids = tokens(llm)
    reader = make_reader(layout, llm._decoder, prompt, 3, COLUMNS, steered)
    logits = [reader.first()]
    logits += [reader.next(ids[:, column]) for column in range(COLUMNS - 1)]
    left = torch.tensor([0, 2])
    reader.keep(left)
    logits.append(reader.next(ids[left, COLUMNS - 1]))
    return torch.cat(logits).float()


def divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Kullback-Leibler divergence in nats, (rows,)."""
    p, q = expected.log_softmax(-1), logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)


@pytest.mark.parametrize("mode", ["off", *MODES])
def test_in_float32_within_1e_4(real_llm: LocalLLM, mode: SteeringMode) -> None:
    steered = injection(real_llm, mode, 1.0)
    expected = read(real_llm, "reread", steered)
    forks: tuple[Layout, ...] = ("split",) if mode != "off" and MODES[mode].clean_cache else ()
    layouts: tuple[Layout, ...] = (*forks, "static", "packed", "window")
    for layout in layouts:
        assert float((read(real_llm, layout, steered) - expected).abs().max()) < 1e-4, layout


@pytest.mark.parametrize("mode", ["off", "last-token"])
def test_in_bfloat16_but_for_rounding(in_bfloat16: LocalLLM, mode: SteeringMode) -> None:
    assert in_bfloat16.layouts.steered == ("static", "split", "window", "reread")
    steered = injection(in_bfloat16, mode, 4.0)
    expected = read(in_bfloat16, "reread", steered)
    if steered is not None:
        plain = read(in_bfloat16, "reread", None)
        assert float(divergence(plain, expected).max()) > 10 * ROUNDED  # else this shows nothing
    layouts: tuple[Layout, ...] = (
        in_bfloat16.layouts.plain[:3] if steered is None else in_bfloat16.layouts.steered[:3]
    )
    for layout in layouts:
        assert float(divergence(read(in_bfloat16, layout, steered), expected).max()) < ROUNDED


def test_the_step_of_the_graphs_draws_the_same_replies(real_llm: LocalLLM) -> None:
    sampling = SamplingConfig(max_new_tokens=6)
    direction = real_llm.direction("a photo of a <category> - a cabinet", "a photo", "no-bos")
    steering = Steering(direction, (16,), 1.0, "last-token")

    def replies() -> tuple[list[str], SteeringShift]:
        said, made = run_through(real_llm.propose(MESSAGES, sampling, (1, 2, 3), steering))
        (shift,) = [news for news in said if isinstance(news, SteeringShift)]
        return [reply.text for reply in made], shift

    graphs = real_llm._graphs
    expected, shift = replies()
    try:
        real_llm._graphs = Graphs(real_llm._decoder, as_it_is)
        texts, other = replies()
    finally:
        real_llm._graphs = graphs
    assert texts == expected and len(set(texts)) == 3
    assert other.kl == pytest.approx(shift.kl, rel=1e-3)

"""Replies in parts: the same ones, told once, and remembered."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.common.errors import OutOfMemoryError
from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Decoder
from engine.llm.halving import HalvingLLM
from engine.llm.interface import SteeringShift, TokenColumn
from engine.llm.transformers_llm import LocalLLM
from engine.steering.direction import Steering
from tests.support.generators import run_through
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

MESSAGES = [{"role": "user", "content": "Write a prompt."}]
SAMPLED = SamplingConfig(temperature=1.3, max_new_tokens=12)
SEEDS = [9, 8, 7, 6, 5]


def streamed(news: list[Any]) -> list[str]:
    columns = [item.texts for item in news if isinstance(item, TokenColumn)]
    return ["".join(texts) for texts in zip(*columns, strict=True)]


@pytest.fixture
def llm() -> LocalLLM:
    return LocalLLM("tiny", tiny_model("llama-gqa-tied"), tiny_tokenizer())


def limit_rows(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> None:
    """Memory for so many candidates: some tokens fit, then it runs out."""
    logits = Decoder.logits
    calls = 0

    def limited(self: Decoder, ids: torch.Tensor, last: int, *rest: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if last > most and calls > 5:
            raise error
        return logits(self, ids, last, *rest, **more)

    monkeypatch.setattr(Decoder, "logits", limited)


@pytest.mark.parametrize("mode", [None, "last-token"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
    ids=["cuda", "host", "torch-host"],
)
def test_halves_give_the_same_replies_and_are_remembered(llm, monkeypatch, mode, error) -> None:
    direction = llm.direction("a photo of a <category>.", "<category>?", "no-bos")
    steering = Steering(direction, (2,), 1.0, mode) if mode else None
    before, expected = run_through(llm.propose(MESSAGES, SAMPLED, SEEDS, steering))
    limit_rows(monkeypatch, 4 if mode else 2, error)
    told: list[str] = []
    halving = HalvingLLM(llm, told.append)
    news, replies = run_through(halving.propose(MESSAGES, SAMPLED, SEEDS, steering))
    assert replies == expected
    assert streamed(news) == streamed(before) == [reply.text for reply in expected]
    assert [line.split("the LLM ")[1] for line in told] == [
        "decodes 3 at a time from now on",
        "decodes 2 at a time from now on",
    ]
    again, replies = run_through(halving.propose(MESSAGES, SAMPLED, SEEDS, steering))
    assert replies == expected and len(told) == 2
    if mode:
        whole, parts = before[-1], again[-1]
        assert isinstance(whole, SteeringShift) and isinstance(parts, SteeringShift)
        assert parts.tokens == whole.tokens
        assert parts.kl == pytest.approx(whole.kl, rel=1e-4)
        assert parts.changed == pytest.approx(whole.changed)
        for change in (parts.raised, parts.lowered):
            sizes = [abs(value) for _, value in change]
            assert sizes and sizes == sorted(sizes, reverse=True)


def test_a_single_reply_that_does_not_fit_is_an_error_with_what_to_do(llm, monkeypatch) -> None:
    limit_rows(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
    told: list[str] = []
    with pytest.raises(OutOfMemoryError, match=r"'Write a prompt\.'.*smaller llm\.model"):
        run_through(HalvingLLM(llm, told.append).propose(MESSAGES, SAMPLED, SEEDS))
    assert [line.split("decodes ")[1][0] for line in told] == ["3", "2", "1"]


def test_other_errors_are_not_taken_for_memory(llm, monkeypatch) -> None:
    limit_rows(monkeypatch, 0, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run_through(HalvingLLM(llm, pytest.fail).propose(MESSAGES, SAMPLED, SEEDS))

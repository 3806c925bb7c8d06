"""Steering a real LLM whose tokenizer adds no BOS: replies are moved, and stay readable."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import pytest

from engine.config import SamplingConfig
from engine.llm.interface import Reply, SteeringShift
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message
from engine.search.meta_prompt import Example, load_meta_prompt, with_prefix
from engine.search.reading import read_reply
from engine.steering.direction import Steering
from engine.vlm.dual_encoder.task import TASK

PREFIX = "a photo of a <category>"
PAIR = ("a photo of a <category> - a cabinet", PREFIX)
LAYER = 16
SAMPLING = SamplingConfig(max_new_tokens=16)
SEEDS = range(24)


@dataclass(frozen=True)
class Asked:
    """What came of one setting: ``kl`` in nats a token, shares 0 to 1, the traces' mean log-
    likelihood in nats a token as the LLM has it without steering."""

    kl: float
    parsed: float
    fluency: float


def ask(llm: LocalLLM, alpha: float) -> Asked:
    steering = None
    if alpha:
        steering = Steering(llm.direction(*PAIR, "no-bos"), (LAYER,), alpha, "last-token")
    work = llm.propose(messages(), SAMPLING, SEEDS, steering, trace=True)
    kl = 0.0
    replies: list[Reply] = []
    while not replies:
        try:
            news = next(work)
            kl = news.kl if isinstance(news, SteeringShift) else kl
        except StopIteration as end:
            replies = end.value
    parsed = [read_reply(reply, "usable", TASK).template is not None for reply in replies]
    fluency = [value for reply in replies for value in reply.trace.log_likelihoods]
    return Asked(kl, statistics.mean(parsed), statistics.mean(fluency))


def messages() -> tuple[Message, ...]:
    """The demo's first meta-prompt."""
    asked = load_meta_prompt(None, TASK).compose(
        dataset_name="cabinet",
        dataset_description="",
        class_names=["parrot", "castle"],
        best=[Example(PREFIX, 45.0)],
        worst=[],
        step=1,
    )
    return with_prefix(asked, PREFIX)


@pytest.fixture(scope="module")
def plain(real_llm: LocalLLM) -> Asked:
    return ask(real_llm, 0)


def test_the_direction_is_no_sink(real_llm: LocalLLM) -> None:
    """The first token's state is 150 times as long as the others: it is no part of the mean."""
    direction = real_llm.direction(*PAIR, "no-bos")
    assert 10 < direction.norms[LAYER] < 40
    assert 100 < direction.hidden_norms[LAYER] < 300


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_replies_are_moved_and_stay_readable(
    real_llm: LocalLLM, plain: Asked, alpha: float
) -> None:
    steered = ask(real_llm, alpha)
    assert 0.001 < steered.kl < 0.3
    assert plain.parsed >= 20 / 24
    assert steered.parsed >= plain.parsed - 0.1
    assert steered.fluency > plain.fluency - 0.5


def test_what_breaks_them_shows(real_llm: LocalLLM, plain: Asked) -> None:
    """So that the figures above would say so."""
    broken = ask(real_llm, 16.0)
    assert broken.kl > 1
    assert broken.fluency < plain.fluency - 0.5

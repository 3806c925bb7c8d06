"""The attention sink of a real LLM whose tokenizer adds no BOS: the figures of docs/steering.md."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch

from engine.config import Pooling, SamplingConfig
from engine.llm.interface import Reply
from engine.llm.transformers_llm import LocalLLM
from engine.run import events as ev
from engine.steering.direction import Direction, Steering
from engine.steering.layers import layer_outputs
from engine.steering.soundness import BREAKING, remarks, strength

POSITIVE, NEGATIVE = "a photo of a <category> - a cabinet", "a photo of a <category>"
LAYER = 16
PROMPT = {"role": "user", "content": "Write a short description of a photo, in English."}
SAMPLING = SamplingConfig(max_new_tokens=10)
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def directions(real_llm: LocalLLM):
    """``directions("paper")``, each computed once."""
    return cache(lambda pool: real_llm.direction(POSITIVE, NEGATIVE, pool))


@torch.inference_mode()
def behind(llm: LocalLLM, front: int) -> torch.Tensor:
    """H+ - H- of both texts read behind this token, which is left out of the means."""
    means = []
    for text in (POSITIVE, NEGATIVE):
        ids = [front, *llm._tokenizer(text, add_special_tokens=False)["input_ids"]]
        means.append(layer_outputs(llm._model, llm._decoder.layers, ids)[LAYER][1:].mean(0))
    return means[0] - means[1]


def test_the_default_has_no_sink_in_it(real_llm: LocalLLM, directions) -> None:
    found: Direction = directions("no-bos")
    tokenizer = real_llm._tokenizer
    assert tokenizer(NEGATIVE)["input_ids"][0] != tokenizer.bos_token_id  # it adds none
    assert found.front == tokenizer.bos_token
    assert found.norms[LAYER] == pytest.approx(20.26, abs=0.5)
    assert found.hidden_norms[LAYER] == pytest.approx(188, abs=5)
    assert found.ratios[LAYER] == pytest.approx(0.108, abs=0.005)
    assert float(found.states[0][LAYER, 0].norm()) > 20_000  # what stands in front is the sink
    assert found.registers(range(found.layers)) == ()
    bos, eos = (behind(real_llm, t) for t in (tokenizer.bos_token_id, tokenizer.eos_token_id))
    torch.testing.assert_close(found.offsets[LAYER], bos, atol=1e-3, rtol=1e-4)
    assert torch.cosine_similarity(bos, eos, dim=0) == pytest.approx(0.997, abs=0.002)


def test_literal_pools_say_how_much_of_them_is_the_sink(directions) -> None:
    paper, ours = directions("paper"), directions("no-bos")
    assert paper.norms[LAYER] == pytest.approx(1148, abs=30)
    assert ours.cosines(paper)[LAYER] == pytest.approx(0.21, abs=0.03)
    assert paper.sink_shares[LAYER] > 0.99
    assert paper.hidden_norms == ours.hidden_norms
    said = [remark.text for remark in remarks(prepared("paper", paper, 0.5))]
    assert any("100% of the squared norm of H+ - H- at layer 16" in text for text in said)
    assert any(re.search(r"30\d% of the hidden states' norm", text) for text in said)
    assert [r.level for r in remarks(prepared("no-bos", ours, 1.0))] == ["info"]


def prepared(pool: Pooling, direction: Direction, alpha: float) -> ev.SteeringPrepared:
    return ev.SteeringPrepared(
        step=1,
        positive=POSITIVE,
        negative=NEGATIVE,
        mode="last-token",
        pool=pool,
        layers=(LAYER,),
        alpha=alpha,
        **direction.figures((LAYER,)),
    )


def replies(llm: LocalLLM, direction: Direction, alpha: float) -> list[Reply]:
    steering = Steering(direction, (LAYER,), alpha, "last-token")
    work = llm.propose([PROMPT], SAMPLING, SEEDS, steering, trace=True)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: list[Reply] = end.value
            return found


def mean_kl(found: list[Reply]) -> float:
    values = [kl for reply in found for kl in reply.trace.kl]
    return sum(values) / len(values)


def test_replies_break_beyond_the_strength_that_is_warned_of(
    real_llm: LocalLLM, directions
) -> None:
    ours = directions("no-bos")
    mild, strong = (mean_kl(replies(real_llm, ours, alpha)) for alpha in (1.0, 8.0))
    assert strength("last-token", (LAYER,), 1.0, "absolute", ours.ratios) < BREAKING / 3
    assert strength("last-token", (LAYER,), 8.0, "absolute", ours.ratios) > 2 * BREAKING
    assert 0.002 < mild < 0.3 < 0.8 < strong
    # With the sink in the offset even half of it was noise.
    assert mean_kl(replies(real_llm, directions("paper"), 0.5)) > 1

"""Directions of a model with an attention sink: its first state has hundreds of times the norm."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.llm.transformers_llm import LocalLLM
from engine.steering.direction import Direction, Steering
from engine.steering.injection import make_injection
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

POSITIVE, NEGATIVE = "a photo of a <category> - a cabinet", "a photo of a <category>"
SINK_LAYER = 1
SINK = 3000.0


def planted(register: int | None = None) -> Any:
    """A random Llama whose states have the sink from layer 1 on, at position 0 whatever is there.

    ``register``: a token whose state has a tenth of that.
    """
    model = tiny_model("llama-gqa-tied")
    spike = torch.zeros(32)
    spike[7] = SINK
    read: list[Tensor] = []

    def note(_module: Any, args: Any) -> None:
        read[:] = [args[0]]

    def add(_module: Any, _args: Any, kwargs: Any, output: Tensor) -> Tensor:
        size = (kwargs["position_ids"] == 0).float()
        size = size + 0.1 * (read[0] == register).float() * (size == 0) if register else size
        return output + size[..., None] * spike

    model.get_input_embeddings().register_forward_pre_hook(note)
    model.model.layers[SINK_LAYER].register_forward_hook(add, with_kwargs=True)
    return model


@cache
def llm(bos: bool, register: int | None = None) -> LocalLLM:
    return LocalLLM("planted", planted(register), tiny_tokenizer(bos=bos))


def direction(pool: str, bos: bool = False, aligned: bool = False, **more: Any) -> Direction:
    return llm(bos, **more).direction(POSITIVE, NEGATIVE, pool, aligned)


@torch.inference_mode()
def states(ids: list[int]) -> Tensor:
    """Outputs of the layers 0 to 2, (3, S, d)."""
    hidden = planted()(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    return torch.cat(hidden[1:4])


def test_the_sink_is_there() -> None:
    norms = states(tiny_tokenizer(bos=False)(POSITIVE)["input_ids"]).norm(dim=-1)
    assert (norms[1:, 0] > 50 * norms[1:, 1:].max(-1).values).all()


@pytest.mark.parametrize("pool", ["no-bos", "last"])
def test_the_default_is_the_same_whether_the_tokenizer_adds_bos_or_not(pool) -> None:
    ours, with_bos = direction(pool), direction(pool, bos=True)
    assert torch.equal(ours.offsets, with_bos.offsets)
    assert ours.hidden_norms == with_bos.hidden_norms and ours.ratios == with_bos.ratios
    assert (ours.front, with_bos.front) == ("<s>", None)
    assert ours.sink_shares == (0.0,) * 4


def test_the_default_is_the_mean_behind_a_bos() -> None:
    read = [states([0, *tiny_tokenizer(bos=False)(t)["input_ids"]]) for t in (POSITIVE, NEGATIVE)]
    expected = read[0][:, 1:].mean(1) - read[1][:, 1:].mean(1)
    ours = direction("no-bos")
    torch.testing.assert_close(ours.offsets[:3], expected, atol=1e-4, rtol=0)
    assert max(ours.norms) < SINK / 100


@pytest.mark.parametrize("bos", [True, False])
def test_paper_stays_literal_and_says_how_much_of_it_is_the_sink(bos) -> None:
    ids = [tiny_tokenizer(bos=bos)(text)["input_ids"] for text in (POSITIVE, NEGATIVE)]
    read = [states(i) for i in ids]
    ours = direction("paper", bos)
    expected = read[0].mean(1) - read[1].mean(1)
    torch.testing.assert_close(ours.offsets[:3], expected, atol=1e-3, rtol=0)
    sink = read[0][:, 0] / len(ids[0]) - read[1][:, 0] / len(ids[1])
    rest = expected - sink
    shares = sink.square().sum(-1) / (sink.square().sum(-1) + rest.square().sum(-1))
    assert ours.sink_shares[:3] == pytest.approx(shares.tolist(), abs=1e-4)
    assert ours.sink_shares[0] < 0.5 < 0.95 < min(ours.sink_shares[1:3])
    assert ours.norms[1] > SINK * abs(1 / len(ids[0]) - 1 / len(ids[1])) / 2


def test_reference_pads_to_one_length_so_that_an_equal_sink_cancels() -> None:
    assert max(direction("reference", bos=True).sink_shares) < 1e-6


@pytest.mark.parametrize("pool", ["paper", "reference"])
def test_what_the_other_modes_use_is_free_of_sink_and_padding_in_every_pool(pool) -> None:
    plain, literal = direction("no-bos"), direction(pool)
    assert literal.hidden_norms == plain.hidden_norms
    assert literal.start == 1
    for ours, other in zip(literal.states, plain.states, strict=True):
        assert torch.equal(ours, other)
    tokens = [len(tiny_tokenizer(bos=False)(text)["input_ids"]) for text in (POSITIVE, NEGATIVE)]
    assert [s.shape[1] - literal.start for s in literal.states] == tokens


@pytest.mark.parametrize("pool", ["no-bos", "paper", "reference"])
@pytest.mark.parametrize("unit", ["absolute", "relative"])
def test_actadd_leaves_the_prompts_sink_alone(pool, unit) -> None:
    found = direction(pool, aligned=True)
    assert found.states[0].shape == found.states[1].shape
    steering = Steering(found, (2,), 0.5, "actadd", unit)
    injection = make_injection(llm(False)._decoder.layers, steering)
    assert injection is not None
    state = torch.randn(1, 6, 32)
    state[0, 0] *= 1000
    added = injection._offsets[2](state)
    assert not added[..., 0, :].any()
    first = torch.randn(1, found.states[0].shape[1], 32)
    assert injection._offsets[2](first)[..., -1, :].any()


def test_cross_attention_reads_no_sink() -> None:
    steering = Steering(direction("reference"), (2,), 1.0, "cross-attention")
    injection = make_injection(llm(False)._decoder.layers, steering)
    assert injection is not None
    added = injection._offsets[2](torch.randn(1, 3, 32))
    largest = direction("no-bos").peaks[2].times * direction("no-bos").hidden_norms[2]
    assert 0 < float(added.norm(dim=-1).max()) < 4 * largest


def test_a_register_is_found_with_its_token() -> None:
    token = tiny_tokenizer(bos=False)("-")["input_ids"][0]  # in P+ only
    found = direction("no-bos", register=token)
    (register,) = found.registers((2,))
    assert (register.template, register.token, register.layer) == ("P+", "-", 2)
    assert register.times > 10
    assert found.registers((0,)) == () and direction("no-bos").registers(range(4)) == ()

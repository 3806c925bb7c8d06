from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from engine.config import SamplingConfig
from engine.llm.decoding.sampling import draw, keep_likely, uniforms


def random_logits(seed: int, rows: int = 4, size: int = 60) -> torch.Tensor:
    return 4 * torch.randn(rows, size, generator=torch.Generator().manual_seed(seed))


def of_transformers(logits: torch.Tensor, sampling: SamplingConfig) -> torch.Tensor:
    """Probabilities (rows, V) by transformers' own warpers, in its order."""
    ids = torch.zeros(len(logits), 1, dtype=torch.long)
    logits = TemperatureLogitsWarper(sampling.temperature)(ids, logits)
    if sampling.top_k:
        logits = TopKLogitsWarper(sampling.top_k)(ids, logits)
    if sampling.top_p < 1:
        logits = TopPLogitsWarper(sampling.top_p)(ids, logits)
    return logits.softmax(-1)


def ours(logits: torch.Tensor, sampling: SamplingConfig) -> torch.Tensor:
    """Probabilities (rows, V) that a token is drawn."""
    probabilities, ids = keep_likely(logits, sampling)
    probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    if ids is None:
        return probabilities
    return torch.zeros_like(logits).scatter(-1, ids, probabilities)


@given(
    seed=st.integers(0, 1000),
    temperature=st.floats(0.05, 10),
    top_k=st.integers(0, 70),
    top_p=st.floats(0.01, 1),
)
@settings(deadline=None, max_examples=200)
def test_warpers_agree_with_transformers(seed, temperature, top_k, top_p):
    sampling = SamplingConfig(temperature=temperature, top_k=top_k, top_p=top_p)
    logits = random_logits(seed)
    expected = of_transformers(logits, sampling)
    # A sum that hits top_p to the last bit may be rounded to either side: leave such rows out.
    sorted_ = (logits / temperature).sort(dim=-1, descending=True).values
    if 0 < top_k < sorted_.shape[-1]:
        sorted_ = sorted_[:, :top_k]
    close = ((sorted_.softmax(-1).cumsum(-1) - top_p).abs() < 1e-5).any(-1)
    torch.testing.assert_close(ours(logits, sampling)[~close], expected[~close], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(),
        SamplingConfig(top_k=0),
        SamplingConfig(top_k=0, top_p=1.0),
        SamplingConfig(temperature=0.3, top_k=5, top_p=0.5),
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_they_are_likely(sampling):
    count = 20_000
    logits = random_logits(3, rows=1)
    grid = (torch.arange(count) + 0.5) / count
    tokens = draw(logits.expand(count, -1), sampling, grid)
    share = torch.bincount(tokens, minlength=60) / count
    torch.testing.assert_close(share, ours(logits, sampling)[0], atol=2 / count, rtol=0)


def test_temperature_0_is_greedy():
    logits = random_logits(0)
    drawn = draw(logits, SamplingConfig(temperature=0), torch.full((4,), 0.99))
    assert torch.equal(drawn, logits.argmax(-1))


def test_a_tiny_temperature_is_nearly_greedy_and_does_not_overflow():
    logits = random_logits(0)
    drawn = draw(logits.half(), SamplingConfig(temperature=1e-4), torch.full((4,), 0.99))
    assert torch.equal(drawn, logits.argmax(-1))


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
@pytest.mark.parametrize("top_k", [0, 3])
@pytest.mark.parametrize("top_p", [0.5, 1.0])
def test_the_ends_of_the_interval_give_possible_tokens(uniform, top_k, top_p):
    sampling = SamplingConfig(top_k=top_k, top_p=top_p)
    logits = random_logits(1)
    logits[:, [0, -1]] = -torch.inf
    tokens = draw(logits, sampling, torch.full((4,), uniform))
    assert (ours(logits, sampling).gather(-1, tokens[:, None]) > 0).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_that_is_no_distribution_gives_minus_1(bad, temperature):
    logits = random_logits(0)
    logits[2, 7] = bad
    tokens = draw(logits, SamplingConfig(temperature=temperature), torch.full((4,), 0.5))
    assert (tokens >= 0).tolist() == [True, True, False, True]
    nothing = torch.full((1, 5), -torch.inf)
    assert draw(nothing, SamplingConfig(), torch.tensor([0.5])).tolist() == [-1]


def test_a_row_does_not_depend_on_the_rows_beside_it():
    logits, numbers = random_logits(5, rows=32), torch.rand(32)
    together = draw(logits, SamplingConfig(), numbers)
    alone = [draw(logits[i : i + 1], SamplingConfig(), numbers[i : i + 1]) for i in range(32)]
    assert torch.equal(together, torch.cat(alone))


def test_uniforms_depend_on_their_own_seed_only():
    numbers = uniforms([7, 2**63 - 1, 7], 50)
    assert torch.equal(numbers[0], numbers[2])
    assert not torch.equal(numbers[0], numbers[1])
    assert torch.equal(uniforms([2**63 - 1], 50)[0], numbers[1])
    assert ((numbers >= 0) & (numbers < 1)).all()


@pytest.mark.parametrize("temperature", [1e-300, 1e-46, 1e-40, 1e-37, 1e-3])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (2, 1.0), (0, 0.9)])
def test_next_to_temperature_0_the_likeliest_token_is_drawn(temperature, top_k, top_p):
    logits = torch.tensor([[-3.0, 90.0, 5.0, 80.0], [-9.0, -40.0, -8.0, -30.0]])
    sampling = SamplingConfig(temperature=temperature, top_k=top_k, top_p=top_p)
    for uniform in (0.0, 0.5, 1 - 2**-24):
        assert draw(logits, sampling, torch.tensor([uniform] * 2)).tolist() == [1, 2]

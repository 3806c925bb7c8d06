"""Mode generated-tokens is what a plain forward hook with a KV cache does, in every layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache

from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.layouts import make_reader
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers
from tests.support.tiny_llm import tiny_model

PROMPT = [0, 3, *range(40, 50), 4]
COLUMNS = torch.tensor([[20, 30], [21, 31], [22, 32], [23, 33]])  # (tokens, rows)


@torch.inference_mode()
def plain_hook_logits(model: Any, layer: int, vector: torch.Tensor, row: int) -> torch.Tensor:
    """One row with an ordinary cache; the hook is on from the prompt's last token on."""
    cache: Any = DynamicCache(config=model.config)
    model(input_ids=torch.tensor([PROMPT[:-1]]), cache=cache, use_cache=True)
    handle = model.model.layers[layer].register_forward_hook(lambda _m, _a, out: out + vector)
    tokens = [PROMPT[-1], *COLUMNS[:, row].tolist()]
    logits = [
        model(input_ids=torch.tensor([[t]]), cache=cache, use_cache=True).logits[0, -1]
        for t in tokens
    ]
    handle.remove()
    return torch.stack(logits)


@pytest.mark.parametrize("layout", ["packed", "window", "reread"])
@pytest.mark.parametrize("family", ["llama-gqa-tied", "mistral-sliding"])
def test_equals_a_plain_hook(family, layout):
    model = tiny_model(family)
    layers = find_decoder_layers(model)
    vector = torch.randn(32, generator=torch.Generator().manual_seed(0))
    injection = Injection(layers, {1: vector}, "new")
    reader = make_reader(layout, Decoder.of(model, layers), PROMPT, 2, 5, injection)
    ours = [reader.first().expand(2, -1), *(reader.next(tokens) for tokens in COLUMNS)]
    for row in range(2):
        expected = plain_hook_logits(model, 1, vector, row)
        torch.testing.assert_close(torch.stack(ours)[:, row], expected, atol=1e-4, rtol=0)


def test_differs_from_last_token_from_the_second_token_on():
    model = tiny_model("llama")
    layers = find_decoder_layers(model)
    decoder = Decoder.of(model, layers)
    vector = torch.full((32,), 2.0)
    plain, exact = (
        make_reader("packed", decoder, PROMPT, 2, 5, Injection(layers, {1: vector}, reach))
        for reach in ("new", "last")
    )
    torch.testing.assert_close(plain.first(), exact.first(), atol=1e-5, rtol=0)
    tokens = COLUMNS[0]
    assert float((plain.next(tokens) - exact.next(tokens)).abs().max()) > 1e-2

"""Decoding as plainly as it can be written: no cache, one row, everything read again every token.

Nothing of engine.llm.decoding.layouts and engine.steering.injection is used here: this is what
they are held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.config import SamplingConfig
from engine.llm.decoding.sampling import draw, uniforms


def plain_layers(model: Any) -> Any:
    """The decoder layers, by the names that the families of tests/support/tiny_llm.py use."""
    body = model.base_model
    return body.h if hasattr(body, "h") else body.layers


@torch.inference_mode()
def slow_decode(
    model: Any,
    prompt: list[int],
    sampling: SamplingConfig,
    seed: int,
    vectors: Mapping[int, Tensor],
    stops: frozenset[int] = frozenset(),
    layers: Sequence[Any] | None = None,
) -> tuple[list[int], Tensor]:
    """Tokens of one reply, stop token included, and the logits (tokens, V) they were drawn from.

    ``vectors[l]`` (d,) is added to the output of layer l at the last position only; ``layers``
    are the decoder layers, where the model's are not at the usual place.
    """
    numbers = uniforms([seed], sampling.max_new_tokens)
    tokens: list[int] = []
    seen: list[Tensor] = []
    while len(tokens) < sampling.max_new_tokens and not (tokens and tokens[-1] in stops):
        logits = last_logits(model, prompt + tokens, vectors, layers)
        seen.append(logits[0])
        tokens.append(int(draw(logits, sampling, numbers[:, len(tokens)])))
    return tokens, torch.stack(seen)


def last_logits(
    model: Any, ids: list[int], vectors: Mapping[int, Tensor], layers: Sequence[Any] | None = None
) -> Tensor:
    """Logits (1, V) after ``ids``, with the vectors added at the last position."""

    def adder(vector: Tensor) -> Any:
        def add(_module: Any, _args: Any, output: Any) -> Any:
            several = isinstance(output, (tuple, list))
            state = (output[0] if several else output).clone()
            state[:, -1] += vector
            return type(output)([state, *output[1:]]) if several else state

        return add

    layers = plain_layers(model) if layers is None else layers
    handles = [layers[i].register_forward_hook(adder(v)) for i, v in vectors.items()]
    try:
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[:, -1]
    finally:
        for handle in handles:
            handle.remove()

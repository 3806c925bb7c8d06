"""The decoder layers of a causal language model, and the hidden states that they give.

Decoder layers are found by structure, never by class name: the list of ``num_hidden_layers``
modules that all run, in order, on hidden states of the model's width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from engine.common.errors import ModelError
from engine.common.wording import counted


def hidden_state(output: Any) -> Tensor:
    """The hidden state (B, S, d) in a decoder layer's output, which is a tensor or a tuple.

    Raises:
        RuntimeError: if it is neither.
    """
    state = _first(output)
    if not isinstance(state, Tensor) or state.dim() != 3:
        raise RuntimeError("a decoder layer's output is no hidden state of shape (B, S, d)")
    return state


def _first(output: Any) -> Any:
    """The output, or the first of a plain tuple's; of one with names who knows what the first is"""
    plain = isinstance(output, (tuple, list)) and not hasattr(output, "_fields")
    return output[0] if plain and output else output


def with_hidden_state(output: Any, state: Tensor) -> Any:
    """The same output with another hidden state; the given one is not changed."""
    if isinstance(output, Tensor):
        return state
    return type(output)((state, *output[1:]))


def input_device(model: Any) -> torch.device:
    """Where token ids go: the device of the embedding, or of the first weights that are loaded."""
    embedding = model.get_input_embeddings()
    weight = getattr(embedding, "weight", None)
    if isinstance(weight, Tensor) and weight.device.type != "meta":
        return weight.device
    runs_on = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    if runs_on is not None:  # its weights are fetched by accelerate whenever it is run
        return torch.device(runs_on)
    loaded = (p.device for p in model.parameters() if p.device.type != "meta")
    device: torch.device = next(loaded, model.device)
    return device


def text_config(model: Any) -> Any:
    """The configuration of the decoder, also where it sits inside a multimodal model's."""
    return model.config.get_text_config(decoder=True)


def find_decoder_layers(model: Any) -> tuple[nn.Module, ...]:
    """The decoder layers of a causal language model, in order.

    Candidates are all module lists of the right length; one short text is run through the model,
    and the list whose members all ran once, in order, on hidden states of the model's width is
    taken (a vision tower of the same depth does not run on text).

    Raises:
        ModelError: if there is no such list, so hidden states can't be reached.
    """
    config = text_config(model)
    depth, width = config.num_hidden_layers, config.hidden_size
    candidates = [
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    calls: dict[int, list[int]] = {index: [] for index in range(len(candidates))}
    ids = torch.tensor([[1, 2, 3]], device=input_device(model))

    def watcher(candidate: int, position: int) -> Callable[..., None]:
        def watch(_module: nn.Module, _args: Any, output: Any) -> None:
            state = _first(output)
            if isinstance(state, Tensor) and state.shape == (*ids.shape, width):
                calls[candidate].append(position)

        return watch

    with ExitStack() as stack:
        for index, candidate in enumerate(candidates):
            for position, layer in enumerate(candidate):
                handle = layer.register_forward_hook(watcher(index, position))
                stack.callback(handle.remove)
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False)
    for index, candidate in enumerate(candidates):
        if calls[index] == list(range(depth)):
            return tuple(candidate)
    raise ModelError(
        f"the LLM {type(model).__name__} can't be steered: no list of "
        f"{counted(depth, 'decoder layer')} with hidden states of width {width} was "
        "found in it. Choose another llm.model."
    )


def layer_outputs(model: Any, layers: Sequence[nn.Module], ids: Sequence[int]) -> list[Tensor]:
    """Output of every decoder layer for one text: L tensors (S, d) in float32.

    Raises:
        RuntimeError: if a layer was not run, or its output is no (1, S, d) tensor or tuple.
    """
    outputs: list[Tensor | None] = [None] * len(layers)

    def reader(index: int) -> Any:
        def read(_module: nn.Module, _args: Any, output: Any) -> None:
            outputs[index] = hidden_state(output)[0].float()

        return read

    handles = [layer.register_forward_hook(reader(i)) for i, layer in enumerate(layers)]
    try:
        model(input_ids=torch.tensor([list(ids)], device=input_device(model)), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    read = [output for output in outputs if output is not None]
    if len(read) != len(layers):
        raise RuntimeError(f"of {counted(len(layers), 'decoder layer')} only {len(read)} ran")
    return read

"""A causal language model as the decode loop sees it, and what every way of reading offers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from engine.models.kv_cache import sliding_windows
from engine.steering.layers import input_device, text_config

Layout = Literal["split", "packed", "window", "reread"]


@dataclass(frozen=True, slots=True)
class Decoder:
    """A causal language model, its decoder layers, and how it wants to be called."""

    model: Any
    layers: tuple[nn.Module, ...]
    device: torch.device
    cache_argument: str
    short_logits: bool  # takes logits_to_keep
    takes_positions: bool
    windows: tuple[int | None, ...] | None  # see sliding_windows
    layer_types: tuple[str, ...] | None

    @classmethod
    def of(cls, model: Any, layers: tuple[nn.Module, ...]) -> Decoder:
        """Look at the model's signature and configuration."""
        parameters = inspect.signature(model.forward).parameters
        types = getattr(text_config(model), "layer_types", None)
        return cls(
            model=model,
            layers=layers,
            device=input_device(model),
            # transformers 5.24 has renamed it; both spellings are in use.
            cache_argument="cache" if "cache" in parameters else "past_key_values",
            short_logits="logits_to_keep" in parameters,
            takes_positions="position_ids" in parameters,
            windows=sliding_windows(model.config),
            layer_types=tuple(types) if types else None,
        )

    def logits(self, ids: Tensor, last: int, cache: Any = None, **arguments: Any) -> Tensor:
        """Next-token logits (B, last, V) at the last positions of ``ids`` (B, Q)."""
        if cache is not None:
            arguments[self.cache_argument] = cache
        if self.short_logits:
            arguments["logits_to_keep"] = last
        output = self.model(input_ids=ids, use_cache=cache is not None, **arguments)
        logits: Tensor = output.logits[:, -last:]
        return logits


class Reader(Protocol):
    """Reads one prompt, then one more token of every candidate at a time."""

    unsteered: Tensor | None
    """The logits that the last reading would have given un-steered, where they cost nothing."""

    def first(self) -> Tensor:
        """Logits (1, V) after the prompt; the same for all candidates."""
        ...

    def next(self, tokens: Tensor) -> Tensor:
        """Logits (rows, V) after one more token of every candidate, ``tokens`` (rows,)."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Go on with these candidates only, by their places (k,) among the current ones."""
        ...

"""A causal language model as the decode loop sees it, and what every way of reading offers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from engine.models.kv_cache import new_cache, sliding_windows
from engine.models.row_memory import RowMemory
from engine.steering.layers import input_device, text_config

Layout = Literal["static", "split", "packed", "window", "twin", "reread"]

_CACHES = ("cache", "past_key_values", "cache_params", "state")
"""What families call what they read on with; transformers 5.24 has renamed most."""


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
            cache_argument=next((name for name in _CACHES if name in parameters), _CACHES[1]),
            short_logits="logits_to_keep" in parameters,
            takes_positions="position_ids" in parameters,
            windows=sliding_windows(model.config),
            layer_types=tuple(types) if types else None,
        )

    def logits(self, ids: Tensor, last: int, cache: Any = None, **arguments: Any) -> Tensor:
        """Next-token logits (B, last, V) at the last positions of ``ids`` (B, Q)."""
        output = self._read(ids, last, cache, cache is not None, arguments)
        logits: Tensor = output.logits[:, -last:]
        return logits

    def remembered(self, ids: Tensor, memory: RowMemory) -> Tensor:
        """Next-token logits (B, V) at the last position of ``ids`` (B, Q), read on with a memory.

        Positions are given where they can be: some families count them right only in ``generate``.
        """
        arguments: dict[str, Any] = {}
        if self.takes_positions:
            positions = torch.arange(memory.tokens, memory.tokens + ids.shape[1])
            arguments["position_ids"] = positions.to(self.device).expand_as(ids)
        for _ in range(2):
            with memory.reading(*ids.shape):
                output = self._read(ids, 1, memory.cache, True, arguments)
                if memory.cache is None:
                    memory.cache = getattr(output, self.cache_argument, None)
            if memory.cache is not None:
                break
            # It hands out none that it has made, and may fill a given one.
            memory.begin_again(new_cache(self.model.config, keep_all=False))
        logits: Tensor = output.logits[:, -1]
        return logits

    def _read(
        self, ids: Tensor, last: int, cache: Any, use_cache: bool, arguments: dict[str, Any]
    ) -> Any:
        if cache is not None:
            arguments = {**arguments, self.cache_argument: cache}
        if self.short_logits:
            arguments["logits_to_keep"] = last
        return self.model(input_ids=ids, use_cache=use_cache, **arguments)

    def mask_argument(self, masks: tuple[Tensor, ...]) -> Tensor | dict[str, Tensor]:
        """One mask for all, or for models with several kinds of layer one for each kind."""
        types = self.layer_types
        if types is None or len(set(types)) == 1:
            return masks[0]
        return dict(zip(types, masks, strict=False))


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

"""A layer of the KV cache that grows without copying all of itself for every token.

Built on transformers' public ``DynamicCache``; only the storage of plain attention layers differs:
buffers with room to spare, and a counter for how much of them is in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values (B, H, S, d) of one layer, in buffers that grow by half when they are full.

    ``DynamicLayer`` copies everything for each new token; here adding a token costs what the token
    costs, and taking tokens off (``truncate``) costs nothing. A sliding window is left to the
    attention mask: all tokens are kept.
    """

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._length = 0
        self._buffers: tuple[Tensor, Tensor] | None = None

    @classmethod
    def of(cls, rows: Sequence[tuple[Tensor, Tensor]], room: int) -> GrowingLayer:
        """Keys and values of rows, (1, H, S, d) each, in buffers for ``room`` tokens: one copy."""
        made = cls()
        keys, values = rows[0]
        made.lazy_initialization(keys, values)
        length = keys.shape[-2]
        empty = [
            states.new_empty(len(rows), *states.shape[1:-2], room, states.shape[-1])
            for states in rows[0]
        ]
        for index, pair in enumerate(rows):
            for buffer, states in zip(empty, pair, strict=True):
                buffer[index, :, :length] = states[0]
        made._buffers = (empty[0], empty[1])
        made._use(length)
        return made

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor | None = None) -> None:
        """Note dtype and device, as the base class does; the buffers come with the first token."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append the new tokens' keys and values, (B, H, Q, d); returns all of them so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, end = self._length, self._length + key_states.shape[-2]
        if self._buffers is None or end > self._buffers[0].shape[-2]:
            room = end + max(end // 2, 64)
            self._buffers = (self._grown(0, key_states, room), self._grown(1, value_states, room))
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        return self._use(end)

    def truncate(self, length: int) -> None:
        """Forget all tokens from ``length`` on; nothing where there are no more than that."""
        if length < self._length:
            self._use(length)

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the newest ``-tokens_to_remove`` tokens (the sign is the base class's)."""
        self.truncate(self._length - abs(tokens_to_remove))

    def get_seq_length(self, *_: Any) -> int:
        """Number of tokens held."""
        return self._length

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Take these rows, in this order; a row may be taken several times."""
        if self._buffers is not None:
            keys, values = (b.index_select(0, beam_idx.to(b.device)) for b in self._buffers)
            self._buffers = (keys, values)
            self._use(self._length)

    def copy_last(self, rows: int) -> None:
        """Make the newest token of the rows from ``rows`` on, as many, that of the first ones."""
        if self._buffers is not None:
            for buffer in self._buffers:
                newest = buffer[:, :, self._length - 1]
                newest[rows:] = newest[:rows]

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Give every row ``repeats`` rows of its own."""
        if self._buffers is not None:
            rows = torch.arange(len(self._buffers[0]), device=self._buffers[0].device)
            self.reorder_cache(rows.repeat_interleave(repeats))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows only."""
        self.reorder_cache(indices)

    def reset(self) -> None:
        """Forget everything."""
        self._buffers, self._length, self.is_initialized = None, 0, False

    def _grown(self, which: int, states: Tensor, room: int) -> Tensor:
        batch, heads, _, width = states.shape
        grown = states.new_empty(batch, heads, room, width)
        if self._buffers is not None:
            grown[:, :, : self._length] = self._buffers[which][:, :, : self._length]
        return grown

    def _use(self, length: int) -> tuple[Tensor, Tensor]:
        assert self._buffers is not None
        keys, values = (buffer[:, :, :length] for buffer in self._buffers)
        self._length, self.keys, self.values = length, keys, values
        return keys, values


def new_cache(config: Any, *, keep_all: bool) -> Any:
    """An empty cache for the model, with ``GrowingLayer`` where the layer is plain attention.

    ``keep_all``: sliding-window layers keep all tokens as well, for use with explicit masks.
    """
    cache = DynamicCache(config=config)
    replaced = (DynamicLayer, DynamicSlidingWindowLayer) if keep_all else (DynamicLayer,)
    for index, layer in enumerate(cache.layers):
        if type(layer) in replaced:
            cache.layers[index] = GrowingLayer()
    return cache


def truncate(cache: DynamicCache, length: int) -> None:
    """Forget the tokens from ``length`` on in every ``GrowingLayer`` of the cache."""
    for layer in cache.layers:
        if isinstance(layer, GrowingLayer):
            layer.truncate(length)


def sliding_windows(config: Any) -> tuple[int | None, ...] | None:
    """Per layer the number of tokens that it sees, None where it sees all.

    None in place of all of it where some layer's cache is not plain or sliding attention, so that
    explicit masks can't stand in for it.
    """
    try:
        layers = DynamicCache(config=config).layers
    except (TypeError, KeyError, AttributeError, ValueError):
        return None  # the model has a cache of its own kind
    decoder_config = config.get_text_config(decoder=True)
    if not layers:
        return (None,) * int(decoder_config.num_hidden_layers)
    types = getattr(decoder_config, "layer_types", None) or [""] * len(layers)
    windows: list[int | None] = []
    of_type: dict[str, int | None] = {}
    for layer, kind in zip(layers, types, strict=True):
        if kind == "chunked_attention":
            return None  # a chunk is no window: where it begins depends on the position
        if type(layer) is DynamicSlidingWindowLayer:
            windows.append(of_type.setdefault(kind, int(layer.sliding_window)))
        elif type(layer) is DynamicLayer:
            windows.append(of_type.setdefault(kind, None))
        elif type(layer).__name__ == "DummyLayer" and kind in of_type:
            windows.append(of_type[kind])  # it reads the keys and values of an earlier layer
        else:
            return None
    own = getattr(decoder_config, "window_size", None)
    if isinstance(own, int) and own not in windows:
        return None  # GPT-Neo masks what is farther by itself, by slots of the cache
    return tuple(windows)

"""A KV cache at fixed addresses, and which token sits where in it.

All candidates of a step share one sequence of slots, (1, S): first a scratch slot for each
candidate, then the prompt, then a slot for each token of each candidate in the order in which they
come. What a token sees is said by a mask alone, made on the device from the tables here, so that a
step is the same work whatever the prompt, and can be recorded as a CUDA graph.

A steered token's keys and values live for one step only: in its scratch slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, StaticLayer

_EVERYONE, _NOBODY = -1, -2  # owners of slots that belong to no candidate
_NEAR = 2**40  # position of a scratch slot: inside every sliding window


class SlotLayer(StaticLayer):
    """Keys and values (1, H, S, d) of one layer; ``Slots`` says where new ones go."""

    is_sliding = False  # all tokens are kept, a window is left to the mask
    is_compileable = False  # else transformers makes masks where it needs none

    def __init__(self, slots: Slots) -> None:
        super().__init__(max_cache_len=slots.capacity)  # type: ignore[no-untyped-call]
        self._slots = slots

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor | None = None) -> None:
        """Take the memory. Zeros: what no token sees has weight 0, and 0 times NaN is NaN."""
        assert value_states is not None
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (
            states.new_zeros(*states.shape[:2], self.max_cache_len, states.shape[-1])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def both(self) -> tuple[Tensor, Tensor]:
        """All keys and values, (1, H, S, d) each."""
        assert self.keys is not None and self.values is not None
        return self.keys, self.values

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values, (1, H, Q, d); returns what they may look at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        slots = self._slots
        written = slots.written(key_states.shape[-2]).to(key_states.device)
        keys, values = self.both()
        keys.index_copy_(2, written, key_states)
        values.index_copy_(2, written, value_states)
        if slots.reach is None:  # the prompt sees itself, by the model's own mask
            return key_states, value_states
        return keys[:, :, : slots.reach], values[:, :, : slots.reach]

    def get_seq_length(self, *_: Any) -> int:
        """Positions are given to the model, so nothing is to be counted on."""
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """For the prompt, which sees itself."""
        return query_length, 0


@dataclass(slots=True)
class Lanes:
    """The tokens of one step: ``tokens`` (n,), whose they are (``owners``), and 0 to n - 1."""

    tokens: Tensor
    owners: Tensor
    numbers: Tensor

    @classmethod
    def of(cls, tokens: Tensor, owners: Tensor) -> Lanes:
        return cls(tokens, owners, torch.arange(len(tokens), device=tokens.device))

    def __len__(self) -> int:
        return len(self.tokens)


class Slots:
    """Who owns each slot, which position its token has, and where the next tokens go.

    ``free`` and ``place`` are numbers on the device, so that one step can be recorded for all.
    """

    def __init__(self, capacity: int, scratch: int, bucket: int, device: torch.device) -> None:
        """
        Args:
            capacity: slots at least; made a multiple of ``bucket``.
            scratch: slots for steered tokens: as many as candidates, or none without a fork.
            bucket: attention reads a multiple of so many slots.
            device: of the token ids.
        """
        self.capacity = _up(capacity, bucket)
        self._scratch = scratch
        self.bucket = bucket
        self.device = device
        self.reach: int | None = None  # slots that attention reads; None while the prompt is read
        self.free = torch.zeros((), dtype=torch.long, device=device)  # the next slot
        self.place = torch.zeros((), dtype=torch.long, device=device)  # the next position
        self._used = 0  # the same as ``free``, on the host
        self._owner = torch.empty(self.capacity, dtype=torch.long, device=device)
        self._position = torch.empty(self.capacity, dtype=torch.long, device=device)
        self._all = torch.arange(self.capacity, device=device)
        self._clean = self._both = self._all[:0]

    def begin(self, prompt: int) -> None:
        """A prompt of so many tokens is read next, one or more: all but its last."""
        first, last = self._scratch, self._scratch + prompt - 1
        self._owner.fill_(_NOBODY)
        self._owner[first:last] = _EVERYONE
        self._position.fill_(_NEAR)
        self._position[first:last] = self._all[: prompt - 1]
        self._clean = self._both = self._all[first:last]
        self._used = last
        self.reach = None
        self.free.fill_(last)
        self.place.fill_(prompt - 1)

    def written(self, count: int) -> Tensor:
        """Slots of ``count`` tokens' keys and values: of the clean ones, or of all."""
        return self._clean if count == len(self._clean) else self._both

    def ahead(self, count: int) -> int:
        """How many slots attention reads in a step of ``count`` tokens, on the host."""
        return min(_up(self._used + count, self.bucket), self.capacity)

    def advance(self, count: int) -> None:
        """A step of ``count`` tokens was begun: the host's count of the slots goes on."""
        self._used += count

    def place_lanes(self, lanes: Lanes, reach: int) -> Tensor:
        """Give each token the next slot; returns the position of all of them, (1, n).

        Part of what is recorded: no number of the host is in it but ``reach``.
        """
        self.reach = reach
        self._clean = self.free + lanes.numbers
        self._both = torch.cat([self._clean, lanes.numbers])
        self._owner.index_copy_(0, self._clean, lanes.owners)
        position = self.place.expand(len(lanes))
        self._position.index_copy_(0, self._clean, position)
        return position[None].clone()

    def seen(self, lanes: Lanes, reach: int, fork: bool) -> Tensor:
        """Which slots each token sees, (n, reach); with ``fork`` (2n, reach).

        The second n are steered tokens: they see what the clean ones see, but each itself, in its
        scratch slot, in place of its clean twin.
        """
        owner, every = self._owner[:reach], self._all[:reach]
        clean = (owner == _EVERYONE) | (owner == lanes.owners[:, None])
        if not fork:
            return clean
        twin = every == self._clean[:, None]
        scratch = every == lanes.numbers[:, None]
        return torch.cat([clean, clean & ~twin | scratch])

    def near(self, reach: int, window: int) -> Tensor:
        """The slots (reach,) of the last ``window`` positions, and all scratch slots."""
        return self._position[:reach] > self.place - window

    def step_on(self, count: int) -> None:
        """The tokens were read; recorded as well."""
        self.free += count
        self.place += 1


def additive(sees: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask (1, 1, Q, K) that attention adds: 0 where a token sees a slot, else very low."""
    mask = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
    return mask.masked_fill_(~sees, torch.finfo(dtype).min)[None, None]


def slot_cache(config: Any, slots: Slots) -> Cache:
    """An empty cache for the model.

    Raises:
        ValueError: if a layer has no plain keys and values of its own.
    """
    kinds = [type(layer).__name__ for layer in DynamicCache(config=config).layers]
    if not kinds:  # a configuration that says nothing of its layers
        count = int(config.get_text_config(decoder=True).num_hidden_layers)
        kinds = ["DynamicLayer"] * count
    if set(kinds) - {"DynamicLayer", "DynamicSlidingWindowLayer"}:
        raise ValueError(f"layers with a cache of another kind: {sorted(set(kinds))}")
    return Cache(layers=[SlotLayer(slots) for _ in kinds])


def clear(cache: Cache) -> None:
    """Forget all keys and values, so that none is left that is not a number."""
    for layer in cache.layers:
        if isinstance(layer, SlotLayer) and layer.is_initialized:
            for states in layer.both():
                states.zero_()


def most_slots(prompt: int, scratch: int, rows: int, tokens: int) -> int:
    """Slots for a prompt and for ``tokens`` of each of ``rows`` candidates.

    The prompt's last token may be there once for all, or for each candidate.
    """
    return scratch + prompt + rows * tokens


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple

"""Layout ``static``: all candidates in one sequence of slots at fixed addresses (``static_cache``).

One lane for each candidate up to the lowest steered layer, two in one product above it: the clean
one writes the cache, the steered one attends over the clean past and itself, and gives the logits.
``step`` is the work of a token, made of device tensors alone: run as it is, or recorded as a CUDA
graph (``graphs``).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.static_cache import (
    Lanes,
    Slots,
    additive,
    clear,
    most_slots,
    slot_cache,
)
from engine.models.grouped_attention import grouped
from engine.steering.injection import Injection
from engine.steering.layers import text_config

BUCKET = 64
"""Attention reads a multiple of so many slots where no graph is made for each such number."""


class StaticMemory:
    """The cache and the slots, at fixed addresses. One reader at a time uses it."""

    def __init__(
        self, decoder: Decoder, capacity: int, scratch: int, bucket: int, longest: int | None = None
    ) -> None:
        """``longest``: no token's position is so high; by default what the capacity allows."""
        self.longest = longest or capacity
        self.used = False
        self.slots = Slots(capacity, scratch, bucket, decoder.device)
        self.cache = slot_cache(decoder.model.config, self.slots)

    def begin(self, prompt: int) -> None:
        """Forget everything; a prompt of so many tokens is read next."""
        self.slots.begin(prompt)
        if self.used:
            clear(self.cache)
        self.used = True


class StaticReader:
    """A ``Reader`` over a static cache."""

    def __init__(
        self,
        decoder: Decoder,
        prompt: Tensor,
        rows: int,
        max_new_tokens: int,
        injection: Injection | None,
        memory: StaticMemory | None = None,
        split: bool = True,
    ) -> None:
        """
        Args:
            decoder: reads.
            prompt: (1, P) token ids.
            rows: candidates.
            max_new_tokens: of each candidate.
            injection: what is added, if anything.
            memory: to be used again; by default as much as is needed.
            split: lanes fork at the lowest steered layer, else at the input.
        """
        self.unsteered: Tensor | None = None
        self._decoder = decoder
        self._prompt = prompt
        self._injection = injection
        self._fork = injection is not None and injection.clean_cache
        self._split = split
        length = prompt.shape[1]
        if memory is None:
            scratch = rows if self._fork else 0
            capacity = most_slots(length, scratch, rows, max_new_tokens)
            memory = StaticMemory(decoder, capacity, scratch, BUCKET, length + max_new_tokens)
        self.memory = memory
        self._slots = self.memory.slots
        longest = self.memory.longest
        windows = decoder.windows or (None,) * len(decoder.layers)
        self._windows = tuple(w if w is not None and w < longest else None for w in windows)
        owners = torch.arange(rows, device=decoder.device)
        self.lanes = Lanes.of(torch.zeros_like(owners), owners)

    @torch.inference_mode()
    def read_prompt(self) -> None:
        """Read all of the prompt but its last token."""
        self.memory.begin(self._prompt.shape[1])
        if self._prompt.shape[1] > 1:
            with nullcontext() if self._injection is None else self._injection.in_prompt():
                self._decoder.logits(self._prompt[:, :-1], 1, self.memory.cache)

    @torch.inference_mode()
    def first(self) -> Tensor:
        self.read_prompt()
        everyone = torch.full((1,), -1, device=self._decoder.device)
        return self._read(Lanes.of(self._prompt[0, -1:], everyone))

    @torch.inference_mode()
    def next(self, tokens: Tensor) -> Tensor:
        self.lanes.tokens = tokens.to(self._decoder.device)
        return self._read(self.lanes)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        rows = rows.to(self._decoder.device)
        self.lanes = Lanes.of(self.lanes.tokens[rows], self.lanes.owners[rows])

    def _read(self, lanes: Lanes) -> Tensor:
        reach = self._slots.ahead(len(lanes))
        logits = self.step(lanes, reach, self._injection)
        self._slots.advance(len(lanes))
        count = len(lanes)
        if self._fork:
            self.unsteered = logits[:count]
        return logits[-count:]

    def step(self, lanes: Lanes, reach: int, injection: Injection | None) -> Tensor:
        """Read one token of each lane; returns logits (n, V), or (2n, V): clean, then steered.

        Nothing in it waits for the device or depends on a number of the host but ``reach``.
        """
        slots, fork, count = self._slots, self._fork, len(lanes)
        position = slots.place_lanes(lanes, reach)
        masks = self._masks(lanes, reach)
        first = tuple(mask[:, :, :count] for mask in masks)
        ids = lanes.tokens
        hooks: AbstractContextManager[None] = nullcontext()
        if injection is None:
            pass
        elif not fork:
            hooks = injection.in_reply(0)
        elif self._split:
            hooks = injection.forked(count, masks)
        else:
            first, hooks = masks, injection.added(count)
            ids, position = torch.cat([ids, ids]), torch.cat([position, position], dim=1)
        with hooks, grouped(text_config(self._decoder.model)):
            logits = self._decoder.logits(
                ids[None],
                2 * count if fork else count,
                self.memory.cache,
                position_ids=position,
                attention_mask=self._decoder.mask_argument(first),
            )
        slots.step_on(count)
        return logits[0]

    def _masks(self, lanes: Lanes, reach: int) -> tuple[Tensor, ...]:
        """Per layer an additive mask (1, 1, n, reach), or with 2n for forked lanes."""
        sees = self._slots.seen(lanes, reach, self._fork)
        dtype = self._decoder.model.dtype
        by_window: dict[int | None, Any] = {
            window: additive(
                sees if window is None else sees & self._slots.near(reach, window), dtype
            )
            for window in set(self._windows)
        }
        return tuple(by_window[window] for window in self._windows)

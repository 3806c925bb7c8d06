"""What is added to a hidden state: one vector, a vector a token, or one that depends on the state.

An ``Offset`` takes hidden states (B, S, d) and returns what to add to them. ``alpha`` is in it:
``absolute``, as a factor, or ``relative``, as a share of the norm of the state that it is added to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from engine.steering.direction import Direction


class Offset(Protocol):
    """Something to add to hidden states."""

    def __call__(self, state: Tensor) -> Tensor:
        """What to add to ``state`` (B, S, d), in its dtype and on its device."""
        ...


class OffsetMaker(Protocol):
    """Makes what a mode adds at a decoder layer."""

    def __call__(self, direction: Direction, layer: int, factor: float, /) -> Offset:
        """``factor`` is on all that it adds: alpha, or 1 where a relative alpha comes on top."""
        ...


def mean_offset(direction: Direction, layer: int, factor: float) -> Offset:
    """The offset d_l, the same at every position."""
    return FixedOffset(factor * direction.offsets[layer])


def token_offsets(direction: Direction, layer: int, factor: float) -> Offset:
    """The difference of P+ and P- token by token."""
    positive, negative = (states[layer] for states in direction.states)
    difference = factor * (positive - negative)
    # What stands in front of both texts is in no offset. It is zero but for rounding, which is no
    # small thing at a sink's norm or with a relative alpha.
    difference[: direction.start] = 0
    return TokenOffsets(difference)


def attention_offset(direction: Direction, layer: int, factor: float) -> Offset:
    """What the state reads from P+ less what it reads from P-."""
    first = direction.start  # the sink would draw all attention
    positive, negative = (states[layer] for states in direction.states)
    return CrossAttention(positive[first:], negative[first:], factor)


class FixedOffset:
    """The same vector (d,) for every state: the mean offset of docs/glov.md, 4."""

    def __init__(self, vector: Tensor) -> None:
        self.vector = vector
        self._ready: Tensor | None = None

    def __call__(self, state: Tensor) -> Tensor:
        ready = self._ready
        if ready is None or ready.dtype != state.dtype or ready.device != state.device:
            ready = self._ready = self.vector.to(device=state.device, dtype=state.dtype)
        return ready


class RelativeOffset:
    """Another offset, at each state made ``alpha`` times as long as the state."""

    def __init__(self, offset: Offset, alpha: float) -> None:
        self.offset = offset
        self.alpha = alpha

    def __call__(self, state: Tensor) -> Tensor:
        offset = self.offset(state).float()
        # Below the smallest normal number, so that a zero offset stays zero.
        length = offset.norm(dim=-1, keepdim=True).clamp_min(1e-30)
        size = state.float().norm(dim=-1, keepdim=True)
        scaled: Tensor = self.alpha * size / length * offset
        return scaled.to(state.dtype)


class TokenOffsets:
    """A vector for each of the first tokens, (n, d): ActAdd's.

    The states given to it begin at position 0 and are n at most.
    """

    def __init__(self, vectors: Tensor) -> None:
        self._vectors = vectors

    def __call__(self, state: Tensor) -> Tensor:
        vectors = self._vectors[: state.shape[1]]
        return vectors.to(device=state.device, dtype=state.dtype)


class CrossAttention:
    """What a state h reads from P+ less what it reads from P-, with dot-product attention.

    ``softmax(h H^T / sqrt(d)) H`` with the token states H+ (S+, d) and H- (S-, d) of the same layer
    as keys and values, and no learned projection: the offset depends on the state it is added to.
    """

    def __init__(self, positive: Tensor, negative: Tensor, alpha: float) -> None:
        self._positive = positive
        self._negative = negative
        self._alpha = alpha

    def __call__(self, state: Tensor) -> Tensor:
        query = state.float()
        read = _attend(query, self._positive) - _attend(query, self._negative)
        return (self._alpha * read).to(state.dtype)


def _attend(query: Tensor, states: Tensor) -> Tensor:
    states = states.to(query.device)
    weights = torch.softmax(query @ states.T / math.sqrt(states.shape[-1]), dim=-1)
    read: Tensor = weights @ states
    return read

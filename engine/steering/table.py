"""Offsets from a table at a fixed address, for steps that are recorded once and played many times.

A CUDA graph keeps the addresses that it reads, and nothing of the Python that it was recorded with.
So each lane (a token that is read) has at each layer an index into a table of offsets, row 0 of
which is zero: another vector, alpha or layer is another content of table and indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.steering.injection import Injection
from engine.steering.layers import hidden_state, with_hidden_state
from engine.steering.modes import Reach
from engine.steering.offsets import FixedOffset, Offset, RelativeOffset


def fits_table(offsets: Mapping[int, Offset]) -> bool:
    """Whether each of these is one vector, as long as it is or as long as the state asks for."""
    return all(_vector(offset) is not None for offset in offsets.values())


def is_relative(offsets: Mapping[int, Offset]) -> bool:
    """Whether the length of any of these is a share of the state's norm."""
    return any(isinstance(offset, RelativeOffset) for offset in offsets.values())


def _vector(offset: Offset) -> Tensor | None:
    inner = offset.offset if isinstance(offset, RelativeOffset) else offset
    return inner.vector if isinstance(inner, FixedOffset) else None


class OffsetTable:
    """What is added at each layer to each lane. The addresses of its tensors never change."""

    def __init__(
        self, layers: int, lanes: int, width: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        """``lanes``: most tokens that are read at once, clean and steered ones together."""
        self._layers = layers
        self._dtype = dtype
        # Row 0 is for lanes that get nothing, row 1 + l for layer l.
        self._vectors = torch.zeros(1 + layers, width, device=device)
        self._rounded = torch.zeros(1 + layers, width, dtype=dtype, device=device)
        self._indices = torch.zeros(layers, lanes, dtype=torch.long, device=device)
        # Of row r: what its length over the state's is, times 1 / length; unused where not relative
        self._alphas = torch.zeros(1 + layers, device=device)
        self._lengths = torch.ones(1 + layers, device=device)
        self._relative = torch.zeros(1 + layers, dtype=torch.bool, device=device)

    def fill(self, offsets: Mapping[int, Offset], steered: Sequence[int]) -> None:
        """From now on these offsets are added, at their layers, to the lanes ``steered``."""
        self._vectors.zero_()
        self._indices.zero_()
        self._alphas.zero_()
        self._lengths.fill_(1)
        self._relative.zero_()
        lanes = torch.tensor(list(steered), device=self._indices.device)
        for layer, offset in offsets.items():
            vector = _vector(offset)
            if vector is None:
                raise ValueError("an offset that depends on more than the state's norm")
            row = 1 + layer
            self._vectors[row] = vector.to(self._dtype).to(self._vectors)
            self._indices[layer, lanes] = row
            if isinstance(offset, RelativeOffset):
                self._relative[row] = True
                self._alphas[row] = offset.alpha
                self._lengths[row] = self._vectors[row].norm().clamp_min(1e-30)
        self._rounded.copy_(self._vectors)

    def added(self, layer: int, state: Tensor, relative: bool) -> Tensor:
        """What to add to ``state`` (1, lanes, d). Nothing here waits for the device.

        ``relative``: as ``is_relative`` of the offsets; a state's norm costs time.
        """
        rows = self._indices[layer, : state.shape[1]]
        if not relative:
            return self._rounded.index_select(0, rows)[None]
        size = state.float().norm(dim=-1, keepdim=True)  # (1, lanes, 1)
        alphas, lengths, scaled = (
            values.index_select(0, rows)[None, :, None]
            for values in (self._alphas, self._lengths, self._relative)
        )
        factor = torch.where(scaled, alphas * size / lengths, 1.0)
        offset: Tensor = factor * self._vectors.index_select(0, rows)[None]
        return offset.to(state.dtype)


class TableInjection(Injection):
    """An ``Injection`` that takes its offsets from a table, at all layers from ``lowest`` on."""

    def __init__(
        self,
        layers: Sequence[nn.Module],
        table: OffsetTable,
        lowest: int,
        relative: bool,
        reach: Reach = "last",
    ) -> None:
        """``lowest``: where lanes fork, or the first layer that may get an offset."""
        super().__init__(layers, dict.fromkeys(range(lowest, len(layers)), _nothing), reach)
        self._table = table
        self._scaled = relative

    def _adder(self, index: int, start: int, dim: int = 1) -> Callable[..., Any]:
        def add(_module: nn.Module, _args: Any, output: Any) -> Any:
            state = hidden_state(output)  # all lanes: those before ``start`` have index 0
            added = self._table.added(index, state, self._scaled)
            return with_hidden_state(output, state + added)

        return add

    def _forker(self, index: int) -> Callable[..., Any]:
        def fork(_module: nn.Module, _args: Any, output: Any) -> Any:
            state = hidden_state(output)
            both = torch.cat([state, state], dim=1)
            added = self._table.added(index, both, self._scaled)
            return with_hidden_state(output, both + added)

        return fork


def _nothing(state: Tensor) -> Tensor:
    """Stands where an offset is expected; the table has them."""
    return torch.zeros_like(state)

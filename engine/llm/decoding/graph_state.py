"""What the recorded steps of a model read and write, and what such a step does with offsets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch

from engine.llm.decoding.capture import Step
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.static_cache import Lanes
from engine.llm.decoding.static_reader import StaticMemory
from engine.steering.injection import Injection
from engine.steering.layers import text_config
from engine.steering.table import OffsetTable, fits_table, is_relative

BUCKET = 256
"""A graph is recorded for each multiple of so many slots."""
_BAND = 8
"""Lanes fork at a multiple of so many layers."""
_MOST_SETTINGS = 6
"""Of the sampler and of steering, that recordings are kept for."""


class Plan(NamedTuple):
    """What a recorded step does with offsets; ``lowest``: the first layer that may have one."""

    kind: Literal["plain", "fork", "added"]
    lowest: int = 0
    relative: bool = False


def plan_of(injection: Injection | None) -> Plan | None:
    """How a step with this injection can be recorded; None: it can't."""
    if injection is None or injection.reach == "first":  # the prompt alone is steered
        return Plan("plain")
    if not fits_table(injection.offsets):
        return None
    kind: Literal["fork", "added"] = "fork" if injection.clean_cache else "added"
    lowest = injection.lowest // _BAND * _BAND
    return Plan(kind, lowest, is_relative(injection.offsets))


class Setting(NamedTuple):
    """What a recording holds for, beside the number of slots that attention reads."""

    plan: Plan
    temperature: float
    top_k: int
    top_p: float


class GraphState:
    """Everything that recorded steps of ``rows`` candidates read and write."""

    def __init__(self, decoder: Decoder, capacity: int, rows: int, steps: int) -> None:
        device, config = decoder.device, text_config(decoder.model)
        lanes = torch.arange(rows, device=device)
        self.rows, self.steps = rows, steps
        self.memory = StaticMemory(decoder, capacity, rows, BUCKET)
        self.table = OffsetTable(
            len(decoder.layers), 2 * rows, config.hidden_size, decoder.model.dtype, device
        )
        self.lanes = Lanes.of(torch.zeros_like(lanes), lanes)  # its tokens are read next
        self.drawn = torch.zeros_like(lanes)  # -1 where logits were not finite
        self.peak = torch.zeros(rows, device=device)  # the likeliest token's logit
        self.numbers = torch.zeros(rows, steps, device=device)
        self.step = torch.zeros(1, dtype=torch.long, device=device)
        self.alive = torch.ones(rows, dtype=torch.bool, device=device)
        self.changed = torch.zeros(steps, rows, dtype=torch.bool, device=device)
        self.kl = torch.zeros(steps, rows, device=device)
        self.likelihood = torch.zeros(steps, rows, device=device)
        # Some models have fewer logits, or more, than their configuration says tokens.
        one = torch.zeros(1, 1, dtype=torch.long, device=device)
        self.shift = torch.zeros(decoder.logits(one, 1).shape[-1], device=device)
        self.recorded: dict[Setting, dict[int, Step]] = {}  # the last used setting last
        self.user: Callable[[], object] = lambda: None  # a weak reference to a reader

    @property
    def busy(self) -> bool:
        """Whether a reader that is still there uses it."""
        return self.user() is not None

    def recordings(self, setting: Setting) -> dict[int, Step]:
        """Those of a setting by slots; those that were not used for long are forgotten."""
        found = self.recorded[setting] = self.recorded.pop(setting, {})
        for old in [*self.recorded][:-_MOST_SETTINGS]:
            del self.recorded[old]
        return found

    def saving(self) -> Step:
        """A function that puts back what one step changes, as often as it is called."""
        slots = self.memory.slots
        changed = (self.lanes.tokens, self.drawn, self.step, self.shift, slots.free, slots.place)
        kept = [tensor.clone() for tensor in changed]

        def restore() -> None:
            for tensor, value in zip(changed, kept, strict=True):
                tensor.copy_(value)

        return restore

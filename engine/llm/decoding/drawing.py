"""One more token of every candidate: reading and drawing together, for the decode loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Reader
from engine.llm.decoding.sampling import draw, uniforms
from engine.llm.decoding.shift_meter import SteeringMeter, compare


class Draws(Protocol):
    """The tokens of all candidates, step by step."""

    meter: SteeringMeter

    def remark(self) -> str:
        """What the user should know of the way it went, once; empty for nothing."""
        ...

    def next(self) -> list[int]:
        """One token id of each candidate that is left, in order; -1: its logits were not finite."""
        ...

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these candidates only, by their places among those that are left."""
        ...

    def finish(self) -> None:
        """All is drawn: what was measured goes to the meter, as far as it is not there."""
        ...


class ReaderDraws:
    """``Draws`` from the logits that a reader gives."""

    def __init__(
        self, reader: Reader, sampling: SamplingConfig, seeds: Sequence[int], longest: int
    ) -> None:
        """``longest``: most tokens of a candidate."""
        self.meter = SteeringMeter()
        self._reader = reader
        self._sampling = sampling
        self._seeds = seeds
        self._longest = longest
        self._numbers: Tensor | None = None
        self._tokens: Tensor | None = None
        self._step = 0

    @torch.inference_mode()
    def next(self) -> list[int]:
        reader = self._reader
        # (1 or rows, V)
        logits = reader.first() if self._tokens is None else reader.next(self._tokens)
        if self._numbers is None:
            self._numbers = uniforms(self._seeds, self._longest).to(logits.device)
        uniform = self._numbers[:, self._step]
        self._step += 1
        logits = logits.expand(len(uniform), -1)
        if reader.unsteered is None:
            self._tokens = draw(logits, self._sampling, uniform)
        else:
            unsteered = reader.unsteered.expand(len(uniform), -1)
            self._tokens, compared = compare(logits, unsteered, self._sampling, uniform)
            self.meter.add(compared)
        drawn: list[int] = self._tokens.tolist()  # the step's one wait for the device
        return drawn

    def keep(self, places: Sequence[int]) -> None:
        assert self._tokens is not None and self._numbers is not None
        rows = torch.tensor(places, device=self._tokens.device)
        self._tokens, self._numbers = self._tokens[rows], self._numbers[rows]
        self._reader.keep(rows)

    def remark(self) -> str:
        return ""

    def finish(self) -> None:
        pass  # the meter has it all

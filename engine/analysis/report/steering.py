"""How a run was steered: the layers of its last steered step, and what came of each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.analysis.export.exported import Exported
from engine.analysis.export.history import StepFacts, steps_of
from engine.run import events as ev


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer. ``share`` is its norm over the highest of all, 0 to 1."""

    number: int
    norm: float
    share: float
    ratio: float | None  # to the mean norm of the hidden states
    previous_cosine: float | None
    is_steered: bool


@dataclass(frozen=True, slots=True)
class SteeringPart:
    """What the page says of steering."""

    last: ev.SteeringPrepared
    positive: str  # P+ of that step
    negative: str
    layers: tuple[Layer, ...]
    measured: ev.SteeringMeasured | None  # of that step
    steps: tuple[StepFacts, ...]  # those that were steered


def steering_of(run: Exported) -> SteeringPart | None:
    """None where no step was steered."""
    steered = tuple(step for step in steps_of(run) if step.prepared is not None)
    if not steered:
        return None
    last = steered[-1].prepared
    assert last is not None
    highest = max(filter(math.isfinite, last.norms), default=0.0) or 1.0
    layers = tuple(
        Layer(
            number,
            norm,
            norm / highest if math.isfinite(norm) else 0.0,
            _at(last.ratios, number),
            _at(last.previous_cosines, number),
            number in last.layers,
        )
        for number, norm in enumerate(last.norms)
    )
    texts = [
        found.text if (found := run.state.find(key)) is not None else key
        for key in (last.positive, last.negative)
    ]
    return SteeringPart(last, texts[0], texts[1], layers, steered[-1].measured, steered)


def _at(values: Sequence[float], index: int) -> float | None:
    return values[index] if index < len(values) else None

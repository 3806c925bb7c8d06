"""A run's steering step by step, and in bins of several steps: what its map is drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.run import events as ev
from engine.run.asked import Asked, Steered
from engine.run.state import RunState
from glov_tui.cockpit.lab.heat import Scale

Measure = Literal["norm", "ratio"]
"""Of H+ - H- in each layer: its norm, or that over the mean norm of the hidden states."""


@dataclass(frozen=True, slots=True)
class SteeringStep:
    """One step that was begun; its last attempt is what counts."""

    step: int
    steered: Steered | None  # None: it was not
    effect: ev.SteeringMeasured | None  # None: not measured

    def values(self, measure: Measure) -> Sequence[float]:
        """One for each layer; none where it was not steered."""
        if self.steered is None:
            return ()
        return self.steered.norms if measure == "norm" else self.steered.ratios


def steering_steps(state: RunState) -> list[SteeringStep]:
    """Of all steps that were begun, from step 1 on."""
    found: dict[int, Asked] = {}
    for asked in state.asked:
        found[asked.step] = asked
    return [SteeringStep(n, one.steered, one.effect) for n, one in sorted(found.items())]


def edits_by_step(edits: Iterable[ev.Edited]) -> dict[int, list[ev.Edited]]:
    """The edits that hold from each step on."""
    found: dict[int, list[ev.Edited]] = {}
    for edited in edits:
        found.setdefault(edited.step, []).append(edited)
    return found


@dataclass(frozen=True, slots=True)
class Column:
    """Some steps in a row: means over those of them that were steered, or over their tokens."""

    first: int
    last: int
    values: Sequence[float]  # one for each layer; none where no step was steered
    layers: frozenset[int]  # that were steered in any of them
    kl: float | None  # nats a token
    changed: float | None  # of the tokens, 0 to 1
    alpha: float | None


@dataclass
class Columns:
    """Steps in bins of ``width``. What is full stays as it is, so a new step costs one bin."""

    measure: Measure = "norm"
    width: int = 1
    all: list[Column] = field(default_factory=list)
    scale: Scale = field(default_factory=Scale)
    alphas: Scale = field(default_factory=Scale)
    _steps: Sequence[SteeringStep] = ()

    def update(self, steps: Sequence[SteeringStep], measure: Measure, width: int) -> None:
        """Show ``steps``: those of the last call and what has come since, or others."""
        known = len(self._steps)
        same = (measure, width) == (self.measure, self.width) and len(steps) >= known
        if not same or (known and steps[known - 1].step != self._steps[-1].step):
            self.all, known = [], 0
        self.measure, self.width, self._steps = measure, width, steps
        del self.all[max(0, known - 1) // width :]  # the last one may be another by now
        for start in range(len(self.all) * width, len(steps), width):
            self.all.append(self._column(steps[start : start + width]))
        self.scale = Scale.of(value for column in self.all for value in column.values)
        self.alphas = Scale.of(c.alpha for c in self.all if c.alpha is not None)

    def _column(self, steps: Sequence[SteeringStep]) -> Column:
        steered = [step.steered for step in steps if step.steered is not None]
        effects = [step.effect for step in steps if step.effect is not None]
        rows = [values for step in steps if (values := step.values(self.measure))]
        return Column(
            first=steps[0].step,
            last=steps[-1].step,
            values=tuple(map(_mean, zip(*rows, strict=False))),
            layers=frozenset(layer for one in steered for layer in one.layers),
            kl=_of_tokens(effects, [one.kl for one in effects]),
            changed=_of_tokens(effects, [one.changed for one in effects]),
            alpha=_mean([one.alpha for one in steered]) if steered else None,
        )

    def at(self, column: int) -> Sequence[SteeringStep]:
        """The steps of a column."""
        return self._steps[column * self.width : (column + 1) * self.width]

    def of_step(self, step: int) -> int:
        """The column that a step is in, or the nearest one."""
        found = next((i for i, one in enumerate(self.all) if one.last >= step), len(self.all) - 1)
        return max(0, found)


def _mean(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else math.fsum(values) / len(values)


def _of_tokens(effects: Sequence[ev.SteeringMeasured], values: Sequence[float]) -> float | None:
    """The mean over all tokens of values that are means over those of a step each."""
    tokens = sum(one.tokens for one in effects)
    if len(effects) <= 1 or not tokens:
        return values[0] if values else None
    return math.fsum(v * e.tokens for v, e in zip(values, effects, strict=True)) / tokens


def fitting_width(steps: int, room: int) -> int:
    """Steps to a bin so that all bins fit into ``room``: 1, 2, 5, 10, 20, 50, ..."""
    width, factors = 1, (2.0, 2.5, 2.0)
    for turn in range(64):
        if -(-steps // width) <= room:
            break
        width = round(width * factors[turn % 3])
    return width


def other_width(width: int, by: int) -> int:
    """The next larger or smaller bin of the same row."""
    widths = [1]
    for turn in range(30):
        widths.append(round(widths[-1] * (2.0, 2.5, 2.0)[turn % 3]))
    nearest = min(range(len(widths)), key=lambda i: abs(widths[i] - width))
    return widths[max(0, min(nearest + by, len(widths) - 1))]

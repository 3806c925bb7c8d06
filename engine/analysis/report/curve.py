"""The accuracies of a run over its steps as a drawing: where everything goes, in units of an SVG.

What a line or a mark stands for can be told by its form and its words, without its colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.analysis.export.exported import Exported
from engine.analysis.export.history import steps_of, tests_of
from engine.analysis.export.wording import percent
from engine.common.intervals import wilson_interval
from engine.run.events import Subject

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 190, 14, 40  # of the frame; labels stand at the right
LABEL_ROW = 17
MOST_TICKS = 10

NAMES: dict[Subject, str] = {
    "seed": "seed, test",
    "best": "best, test",
    "ensemble": "ensemble, test",
}
"""What stands beside the marks of test measurements."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its words."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A test measurement with its 95 % interval: x, and y of the value and of the ends."""

    subject: Subject
    x: float
    y: float
    low: float
    high: float
    shape: str  # the path around (x, y)


@dataclass(frozen=True, slots=True)
class Label:
    """Words at the right for what ends at ``from_y``, moved to ``y`` where others would be hit."""

    name: str  # as a class of the style sheet has it
    text: str
    from_x: float
    from_y: float
    y: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Everything that is drawn."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    best: str  # path: the best training accuracy so far
    means: str  # path: the mean of each step's new templates
    seed_y: float | None  # of the seed's training accuracy
    marks: tuple[Mark, ...]
    labels: tuple[Label, ...]
    said: str  # the same in words, for those who don't see it
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def curve_of(run: Exported) -> Curve | None:
    """The drawing; None while nothing was measured."""
    steps, tests, seed = steps_of(run), tests_of(run), run.state.seed
    best = [(0, seed.accuracy)] if seed is not None else []
    best += [(step.finished.step, step.finished.best) for step in steps]
    means = [
        (step.finished.step, step.finished.step_mean)
        for step in steps
        if step.finished.step_mean is not None
    ]
    intervals = [wilson_interval(test.hits, test.n) for test in tests]
    values = [share for _, share in (*best, *means)]
    values += [end for ends in intervals for end in ends]
    if not values:
        return None
    last = max([1, *(step for step, _ in best), *(test.step for test in tests)])
    low, high = _range(values)

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - RIGHT - LEFT - 12) * step / last, 1)

    def y(share: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (share - low) / (high - low), 1)

    marks = tuple(
        Mark(
            test.subject,
            x(test.step),
            y(test.hits / test.n),
            y(ends[0]),
            y(ends[1]),
            _shape(test.subject, x(test.step), y(test.hits / test.n)),
        )
        for test, ends in zip(tests, intervals, strict=True)
    )
    ends = [("train", f"best so far, train {percent(best[-1][1])}", x(best[-1][0]), y(best[-1][1]))]
    ends = ends if best else []
    for mark, test in zip(marks, tests, strict=True):
        text = f"{NAMES[test.subject]} {percent(test.hits / test.n)}"
        ends = [end for end in ends if end[0] != test.subject]
        ends.append((test.subject, text, mark.x, mark.y))
    if seed is not None and len(best) > 1:
        text = f"seed, train {percent(seed.accuracy)}"
        ends.append(("seed-train", text, WIDTH - RIGHT, y(seed.accuracy)))
    return Curve(
        x_ticks=tuple(Tick(x(step), str(step)) for step in _step_ticks(last)),
        y_ticks=tuple(Tick(y(share), f"{share:.0%}") for share in _share_ticks(low, high)),
        best=_stairs([(x(step), y(share)) for step, share in best]),
        means=_line([(x(step), y(share)) for step, share in means]),
        seed_y=y(seed.accuracy) if seed is not None else None,
        marks=marks,
        labels=_labels(ends),
        said="; ".join(text for _, text, _, _ in ends),
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Tenths around all values, at least two of them."""
    low = math.floor(min(values) * 10 + 1e-9) / 10
    high = math.ceil(max(values) * 10 - 1e-9) / 10
    if high - low < 0.15:
        low, high = (max(0.0, low - 0.1), min(1.0, high + 0.1))
    return low, high


def _share_ticks(low: float, high: float) -> list[float]:
    by = 1 if high - low <= 0.55 else 2
    first, last = round(low * 10), round(high * 10)
    return [tenth / 10 for tenth in range(first, last + 1) if (tenth - first) % by == 0]


def _step_ticks(last: int) -> list[int]:
    by = next(
        factor * 10**power
        for power in range(12)
        for factor in (1, 2, 5)
        if last <= MOST_TICKS * factor * 10**power
    )
    return list(range(0, last + 1, by))


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if index else 'M'}{x:g} {y:g}" for index, (x, y) in enumerate(points))


def _stairs(points: Sequence[tuple[float, float]]) -> str:
    """The best stays what it is until a step ends."""
    drawn = f"M{points[0][0]:g} {points[0][1]:g}" if points else ""
    return drawn + "".join(f"H{x:g}V{y:g}" for x, y in points[1:])


def _shape(subject: Subject, x: float, y: float) -> str:
    """A square for the seed, a circle for the best, a diamond for the ensemble."""
    match subject:
        case "seed":
            return f"M{x - 4:g} {y - 4:g}h8v8h-8z"
        case "best":
            return f"M{x - 5:g} {y:g}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"
        case "ensemble":
            return f"M{x:g} {y - 6.5:g}l6.5 6.5l-6.5 6.5l-6.5 -6.5z"


def _labels(ends: Sequence[tuple[str, str, float, float]]) -> tuple[Label, ...]:
    """One below the other, each as near to its end as those above it leave room."""
    found: list[Label] = []
    floor = float(TOP)
    ordered = sorted(ends, key=lambda end: end[3])
    for index, (name, text, from_x, from_y) in enumerate(ordered):
        most = HEIGHT - BOTTOM - LABEL_ROW * (len(ordered) - 1 - index)
        y = min(max(from_y, floor), most)
        found.append(Label(name, text, from_x, from_y, round(y, 1)))
        floor = y + LABEL_ROW
    return tuple(found)

"""The accuracies of a run over its steps as a drawing: where everything goes, in units of an SVG.

What a line or a mark stands for can be told by its form and its words, without its colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.analysis.export.exported import Exported
from engine.analysis.export.history import steps_of, tests_of
from engine.analysis.export.wording import percent
from engine.common.intervals import wilson_interval
from engine.run.events import Subject, TestMeasured

WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 48  # of the frame; wide enough for a phone's large letters
MOST_TICKS = 10

Entry = Literal["train", "means", "start", "seed", "best", "ensemble", "asked"]
"""What is drawn, as the style sheet calls it: three lines, then four marks."""


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
class Legend:
    """What a line or a mark stands for, with its last value."""

    entry: Entry
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Everything that is drawn."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    best: str  # path: the best training accuracy so far
    means: str  # path: the mean of each step's new templates
    seed_y: float | None  # of the seed's training accuracy
    marks: tuple[Mark, ...]
    legend: tuple[Legend, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def curve_of(run: Exported) -> Curve | None:
    """The drawing; None while nothing was measured."""
    steps, tests, seed = steps_of(run), tests_of(run), run.state.seed
    begin = run.state.best_at_begin
    best = [(0, begin)] if begin is not None else []
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
            shape(test.subject, x(test.step), y(test.hits / test.n)),
        )
        for test, ends in zip(tests, intervals, strict=True)
    )
    return Curve(
        x_ticks=tuple(Tick(x(step), str(step)) for step in _step_ticks(last)),
        y_ticks=tuple(Tick(y(share), f"{share:.0%}") for share in _share_ticks(low, high)),
        best=_stairs([(x(step), y(share)) for step, share in best]),
        means=_line([(x(step), y(share)) for step, share in means]),
        seed_y=y(seed.accuracy) if seed is not None else None,
        marks=marks,
        legend=tuple(_legend(run, best, means, tests)),
    )


def _legend(
    run: Exported,
    best: Sequence[tuple[int, float]],
    means: Sequence[tuple[int, float]],
    tests: Sequence[TestMeasured],
) -> Iterator[Legend]:
    if best:
        yield Legend("train", f"best so far on training images: {percent(best[-1][1])}")
    if means:
        yield Legend("means", f"mean of a step's new templates: {percent(means[-1][1])}")
    if run.state.seed is not None:
        yield Legend(
            "start", f"seed template on training images: {percent(run.state.seed.accuracy)}"
        )
    for subject, name in _TESTED.items():
        shares = [test.hits / test.n for test in tests if test.subject == subject]
        if subject == "asked" and len(shares) > 1:  # of several templates: none stands for all
            ends = f"{percent(min(shares))} to {percent(max(shares))}"
            yield Legend(subject, f"{name} on test images: {ends}")
        elif shares:
            yield Legend(subject, f"{name} on test images: {percent(shares[-1])}")


_TESTED: dict[Subject, str] = {
    "seed": "seed template",
    "best": "best template",
    "ensemble": "ensemble",
    "asked": "asked for by a person, not seen by the search,",
}


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


def shape(subject: Subject, x: float, y: float) -> str:
    """A square for the seed, a ring for the best, a diamond for the ensemble that fits into it, a
    triangle for what a person asked for.
    """
    match subject:
        case "seed":
            return f"M{x - 4.5:g} {y - 4.5:g}h9v9h-9z"
        case "best":
            return f"M{x - 7:g} {y:g}a7 7 0 1 0 14 0a7 7 0 1 0 -14 0z"
        case "ensemble":
            return f"M{x:g} {y - 5:g}l5 5l-5 5l-5 -5z"
        case "asked":
            return f"M{x:g} {y - 6:g}l6 10h-12z"

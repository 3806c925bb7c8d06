"""The live chart: how the search goes, against the seed, and where a person stepped in."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.common.intervals import wilson_interval
from engine.run.edits import BanTemplate, ChooseAnchors, PinTemplate, SetNextPrompt, SetOption
from engine.run.events import Edited, StepFinished, Subject, TestMeasured
from engine.run.state import RunState
from glov_tui.common.glyphs import ASCII, Glyphs
from glov_tui.widgets.chart import Mark
from glov_tui.widgets.legend import Series
from glov_tui.widgets.line_chart import LineChart
from glov_tui.widgets.thinned import Thinned
from glov_tui.widgets.ticks import nice_step

MARKS = {
    "e": "edit",
    "i": "inject",
    "s": "steering",
    "o": "option",
    "p": "pin",
    "b": "ban",
    "P": "anchors",
    "n": "note",
    "*": "several",
}
"""What the letters on the x axis stand for."""
TESTS: dict[Subject, str] = {"seed": "seed", "best": "best", "ensemble": "ens.", "asked": "your"}
FEW_STEPS = 5


class AccuracyPane(LineChart):
    """Few-shot accuracy by step, and the test accuracy of seed, best and ensemble where known.

    P in the legend: the mean probability of the true class, where it has room.

    The x axis runs to now and a margin, or over all steps (``a``).
    """

    TITLE: ClassVar[str] = "accuracy"
    INTERVAL: ClassVar[float] = 0.5
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "all_steps", "All steps", tooltip="The steps so far, or all of the run"),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(
            y_limits=(0.0, 1.0),
            y_least=0.1,
            x_name="step",
            empty="It begins with the seed's accuracy.",
            ascii=glyphs is ASCII,
            id="accuracy",
        )
        self.border_title = f"{self.TITLE}: few-shot"
        self._all_steps = False
        self._state: RunState | None = None
        self._steps = Thinned(lambda s: s.step, _telling_steps)
        self._tests = Thinned(lambda t: t.step, _last_tests)

    def fingerprint(self, state: RunState) -> Hashable:
        """Points come at the ends of steps, marks with edits and injections."""
        human = len(state.scored.by_people)
        seed = (state.seed.hits, state.seed.n) if state.seed is not None else None
        begin = state.best_at_begin
        return len(state.steps), len(state.tests), len(state.edits), human, seed, begin, state.notes

    async def action_select_point(self) -> None:  # type: ignore[override]
        """Look at the step of the value under the cursor."""
        await self.app.run_action("go_to_step")

    def action_all_steps(self) -> None:
        """Show the steps so far, or all steps of the run."""
        self._all_steps = not self._all_steps
        if self._state is not None:
            self.show(self._state)

    def show(self, state: RunState) -> None:
        """Draw all series; only cells that changed are repainted."""
        self._state = state
        races = state.config is not None and state.config.search.racing
        self.border_title = f"{self.TITLE}: few-shot{', raced' if races else ''}"
        seed = state.seed
        if seed is None or state.config is None:
            return
        steps, tests = self._steps.those_of(state.steps), self._tests.those_of(state.tests)
        begin = state.best_at_begin
        best = [
            (0.0, seed.accuracy if begin is None else begin),
            *((float(s.step), s.best) for s in steps),
        ]
        series = [
            Series("best", best, "success", "steps", short="best"),
            Series(
                "step's best",
                [_point(s.step, s.step_best) for s in steps],
                "primary",
                short="step",
            ),
            Series(
                "step's mean",
                [_point(s.step, s.step_mean) for s in steps],
                "secondary",
                short="mean",
            ),
            Series("seed", [(0.0, seed.accuracy)], "muted", "hline", short="seed"),
        ]
        for glyph, (subject, short) in enumerate(TESTS.items()):
            measured = [t for t in tests if t.subject == subject]
            if measured:
                series.append(
                    Series(
                        f"{subject} test",
                        [(float(t.step), t.hits / t.n) for t in measured],
                        "warning",
                        "points",
                        short=f"{short} test",
                        glyph=glyph,
                        intervals=[wilson_interval(t.hits, t.n) for t in measured],
                        beside=[
                            math.nan if t.probability is None else t.probability for t in measured
                        ],
                        beside_name="P",
                    )
                )
        marks = _marks(state)
        letters = dict.fromkeys(mark.label for mark in marks)
        self.border_subtitle = "  ".join(f"{letter} {MARKS[letter]}" for letter in letters)
        self.set_data(series, marks, (0.0, self._last_step(state)))

    def _last_step(self, state: RunState) -> float:
        assert state.config is not None
        steps = float(max(1, state.config.steps))
        if self._all_steps:
            return steps
        shown = max(FEW_STEPS, 1.1 * max(state.step, state.steps_done) + 1)
        nice = nice_step(shown, 4, whole=True)  # so that the axis moves rarely
        return min(steps, math.ceil(shown / nice) * nice)


def _telling_steps(steps: list[StepFinished]) -> list[StepFinished]:
    """Of steps that share a place on the chart: the ends and the extremes of each line."""
    told = {steps[0].step, steps[-1].step}
    for values in ([s.step_best for s in steps], [s.step_mean for s in steps]):
        known = [
            (value, s.step) for value, s in zip(values, steps, strict=True) if value is not None
        ]
        if known:
            told |= {min(known)[1], max(known)[1]}
    return [s for s in steps if s.step in told]


def _last_tests(tests: list[TestMeasured]) -> list[TestMeasured]:
    """Of measurements that share a place on the chart: the last of each subject."""
    return list({t.subject: t for t in tests}.values())


def _point(step: int, accuracy: float | None) -> tuple[float, float]:
    """A gap where nothing new was scored in that step."""
    return float(step), float("nan") if accuracy is None else accuracy


def _marks(state: RunState) -> list[Mark]:
    marks = [Mark(float(e.step), _label(e)) for e in state.edits]
    marks += [Mark(float(t.first.step), "i") for t in state.scored.by_people]
    for note in state.notes:
        found = state.find(note.template) if note.template is not None else None
        step = note.step if found is None else found.first.step
        marks += [] if step is None else [Mark(float(step), "n")]
    return marks


def _label(edited: Edited) -> str:
    match edited.edit:
        case SetNextPrompt():
            return "e"
        case PinTemplate():
            return "p"
        case BanTemplate():
            return "b"
        case ChooseAnchors():
            return "P"
        case SetOption(key=key):
            return {"proposal": "e", "steering": "s"}.get(key.split(".")[0], "o")

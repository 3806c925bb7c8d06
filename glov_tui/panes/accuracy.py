"""The live chart: how the search goes, against the seed, and where a person stepped in."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from engine.edits import BanTemplate, ChooseAnchors, PinTemplate, SetNextPrompt, SetOption
from engine.events import Edited
from engine.state import RunState
from engine.vlm.fitness import wilson_interval
from glov_tui.widgets.chart import Mark
from glov_tui.widgets.legend import Series
from glov_tui.widgets.line_chart import LineChart


class AccuracyPane(LineChart):
    """Few-shot accuracy by step, with the test accuracy where it was measured."""

    TITLE: ClassVar[str] = "accuracy"
    INTERVAL: ClassVar[float] = 0.5

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(
            y_limits=(0.0, 1.0),
            y_least=0.1,
            x_name="step",
            empty="The chart begins with the seed template's accuracy.",
            ascii=ascii_only,
            id="accuracy",
        )
        self.border_title = f"{self.TITLE}: few-shot"

    def fingerprint(self, state: RunState) -> Hashable:
        """Points come at the ends of steps, marks with edits and injections."""
        human = sum(t.origin == "human" for t in state.templates)
        return len(state.steps), len(state.tests), len(state.edits), human, bool(state.seed)

    def show(self, state: RunState) -> None:
        """Draw all series; only cells that changed are repainted."""
        seed = state.seed
        if seed is None or state.config is None:
            return
        series = [
            Series("best", _best(state), "success", "steps"),
            Series("step best", [_point(s.step, s.step_best) for s in state.steps], "primary"),
            Series("step mean", [_point(s.step, s.step_mean) for s in state.steps], "secondary"),
            Series("seed", [(0.0, seed.accuracy)], "muted", "hline"),
        ]
        measured = [t for t in state.tests if t.subject in ("seed", "ensemble")]
        if measured:
            series.append(
                Series(
                    "test",
                    [(float(t.step), t.hits / t.n) for t in measured],
                    "warning",
                    "points",
                    intervals=[wilson_interval(t.hits, t.n) for t in measured],
                )
            )
        self.set_data(series, _marks(state), (0.0, float(max(1, state.config.steps))))


def _point(step: int, accuracy: float | None) -> tuple[float, float]:
    """A gap where nothing new was scored in that step."""
    return float(step), float("nan") if accuracy is None else accuracy


def _best(state: RunState) -> list[tuple[float, float]]:
    assert state.seed is not None
    return [(0.0, state.seed.accuracy), *((float(s.step), s.best) for s in state.steps)]


def _marks(state: RunState) -> list[Mark]:
    marks = [Mark(float(e.step), _label(e)) for e in state.edits]
    human = (t for t in state.templates if t.origin == "human")
    marks += [Mark(float(t.first.step), "i") for t in human]
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
            return {"proposal": "e", "steering": "s", "sampling": "o"}[key.split(".")[0]]

"""How runs went, for one chart of several: by step, by time at work, and by images scored.

From journals alone; a run that goes on is followed as its journal grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from engine.common.errors import JournalError
from engine.run import events as ev
from engine.run.log_lines import sentence
from engine.run.state import RunState
from engine.storage.following import JournalFollower
from engine.storage.run_status import RunStatus, status_now

Axis = Literal["step", "minutes", "images"]
AXES: tuple[Axis, ...] = get_args(Axis)
"""What runs are aligned by: steps, minutes at work (without pauses and breaks), or training images
scored."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run something was."""

    step: int
    minutes: float  # at work
    images: int  # scored so far

    def on(self, axis: Axis) -> float:
        """The place on an axis."""
        return float({"step": self.step, "minutes": self.minutes, "images": self.images}[axis])


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The best few-shot accuracy (0 to 1) at the end of a step; step 0 is the seed's."""

    place: Place
    best: float


@dataclass(frozen=True, slots=True)
class CurveTest:
    """A measured test accuracy, 0 to 1."""

    place: Place
    subject: ev.Subject
    accuracy: float


@dataclass(frozen=True, slots=True)
class Intervention:
    """What a person, or a script, did to a run. Its texts are untrusted: clean before showing."""

    place: Place
    time: float  # Unix time, seconds
    label: str  # a letter, as on the chart of the cockpit
    text: str
    author: str


@dataclass(frozen=True, slots=True)
class RunCurve:
    """A run at one moment. Never changes."""

    folder: Path
    status: RunStatus = "damaged"
    planned: int = 0  # steps
    points: tuple[CurvePoint, ...] = ()
    tests: tuple[CurveTest, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    problem: str | None = None  # why it can't be read

    @property
    def best(self) -> float | None:
        """The best few-shot accuracy so far."""
        return self.points[-1].best if self.points else None

    def test(self, subject: ev.Subject = "ensemble") -> float | None:
        """The last test accuracy of the ensemble, or of another subject."""
        found = (test.accuracy for test in reversed(self.tests) if test.subject == subject)
        return next(found, None)


class CurveWatch:
    """Follows the journals of several runs. One thread at a time."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._makers: list[_CurveMaker] = []
        self.follow(folders)

    def follow(self, folders: Sequence[Path]) -> None:
        """Follow these runs from now on; those that were followed are not read again."""
        known = {maker.folder: maker for maker in self._makers}
        self._makers = [known.get(folder) or _CurveMaker(folder) for folder in folders]

    def look(self) -> tuple[RunCurve, ...]:
        """The runs now, in the order in which they were given; what is new of each is read."""
        return tuple(maker.look() for maker in self._makers)


class _CurveMaker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._follower = JournalFollower(folder, self._take)
        self._curve = RunCurve(folder)
        self._begin()

    def _begin(self) -> None:
        self._points: list[CurvePoint] = []
        self._tests: list[CurveTest] = []
        self._interventions: list[Intervention] = []
        self._minutes = 0.0  # at work, before the last event
        self._last: float | None = None  # its time
        self._rests = False  # paused, or ended
        self._before = RunState()

    def look(self) -> RunCurve:
        try:
            changed = self._follower.look()
            status = status_now(self._follower.state.status, self.folder)
        except JournalError as error:
            self._curve = RunCurve(self.folder, problem=str(error))
            return self._curve
        except Exception as error:  # whatever is wrong with one run, the others are shown
            what = str(error) or type(error).__name__
            self._curve = RunCurve(self.folder, problem=f"it can't be read: {what}")
            return self._curve
        if changed or self._curve.problem is not None:  # or it could not be read for a while
            state = self._follower.state
            self._curve = RunCurve(
                self.folder,
                status,
                state.config.steps if state.config is not None else 0,
                tuple(self._points),
                tuple(self._tests),
                tuple(self._interventions),
            )
        elif status != self._curve.status:
            self._curve = replace(self._curve, status=status)  # its engine was killed, say
        return self._curve

    def _take(self, event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.RunStarted):
            self._begin()
        self._pass_time(event)
        place = Place(state.step, self._minutes, state.scored.images)
        before, self._before = self._before, state
        match event:
            case ev.TemplateScored() if not self._points and state.seed is not None:
                self._points.append(CurvePoint(place, state.seed.accuracy))
            case ev.StepFinished():
                done = Place(event.step, place.minutes, place.images)
                self._points.append(CurvePoint(done, event.best))
            case ev.TestMeasured():
                at = Place(event.step, place.minutes, place.images)
                self._tests.append(CurveTest(at, event.subject, event.hits / event.n))
            case ev.Edited() | ev.EditUndone() | ev.TemplateInjected():
                self._intervene(event, before, place)

    def _pass_time(self, event: ev.Event) -> None:
        """Time passes while an engine is at work and not paused; breaks do not count."""
        if isinstance(event, ev.RunResumed | ev.RunReopened):
            self._rests = False
        elif self._last is not None and not self._rests:
            self._minutes += max(0.0, event.time - self._last) / 60.0
        if isinstance(event, ev.RunPaused | ev.RunStopped | ev.RunFailed | ev.RunFinished):
            self._rests = True
        self._last = event.time

    def _intervene(
        self, event: ev.Edited | ev.EditUndone | ev.TemplateInjected, before: RunState, place: Place
    ) -> None:
        if isinstance(event, ev.TemplateInjected):
            label, text = "i", f"injected: {event.template}"
        elif isinstance(event, ev.EditUndone):
            said = sentence(event, before)
            label, text = "u", said.text if said is not None else "undone: an edit"
        else:
            label, text = "e", event.edit.describe()
        if event.reason and event.reason not in text:
            text = f"{text}, because: {event.reason}"
        self._interventions.append(Intervention(place, event.time, label, text, event.author or ""))


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The mean of each value and those before it, ``window`` at most: none of later is in it."""
    result, total = [], 0.0
    for at, value in enumerate(values):
        total += value
        if at >= window:
            total -= values[at - window]
        result.append(total / min(at + 1, window))
    return result

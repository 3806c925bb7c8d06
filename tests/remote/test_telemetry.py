"""A screen that is sent news at any moments has the state of each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.common.kept import Kept
from engine.remote.messages import format_line, parse_message
from engine.remote.telemetry import telemetry_since
from engine.run import events as ev
from engine.run.commands import MakeEdit, Pause, Resume, RunExperiment, UndoEdit
from engine.run.edits import ChooseAnchors, SetOption
from engine.run.experiment import (
    CompareSettings,
    Experiment,
    ReadLens,
    ScanSettings,
    SteeringSetting,
)
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.run_folder import EVENTS
from engine.storage.summary import Published
from tests.support.patience import CEILING_SECONDS
from tests.support.screens import plain
from tests.support.small_runs import demo

STEERED = SteeringSetting(layers=(2,), alpha=0.5)
SCAN = ScanSettings(setting=STEERED, layers=(1, 2), alphas=(0.5,), replies=2, fitness=True)
EXPERIMENTS: tuple[Experiment, ...] = (
    CompareSettings(left=STEERED, right=SteeringSetting(layers=(99,)), replies=2),  # has a problem
    SCAN,
    SCAN,  # the very same once more
    CompareSettings(left=STEERED, right=SteeringSetting(mode="off", layers=()), replies=2),
    ReadLens(),
)


class Recorded:
    """A run with edits and the lab, and what it published after each event."""

    def __init__(self, folder: Path, kept: Kept) -> None:
        self.moments: list[Published] = []
        self._experiments: Iterator[Experiment] = iter(EXPERIMENTS)
        self._session = LocalSession.create(demo(), folder, self._hear, kept)
        self._session.start()
        assert self._session.wait(CEILING_SECONDS) and self._session.state.status == "finished"
        self.journal = (folder / EVENTS).read_bytes()

    def _hear(self, event: ev.Event, state: RunState) -> None:
        if not isinstance(event, ev.RunStarted):  # published while the session is made
            self.moments.append(self._session.published)
        match event:
            case ev.StepStarted(step=2):
                self._session.send(Pause())
            case ev.RunPaused():
                best, *_, worst = state.ranking
                held = ChooseAnchors(positive=best.key, negative=worst.key)
                self._session.send(MakeEdit(edit=held))
                self._session.send(MakeEdit(edit=SetOption(key="steering.alpha", value=0.5)))
                self._session.send(UndoEdit())
                self._go_on()
            case ev.ExperimentEnded():
                self._go_on()

    def _go_on(self) -> None:
        experiment = next(self._experiments, None)
        resume = experiment is None
        self._session.send(Resume() if resume else RunExperiment(experiment=experiment))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("telemetry") / "run", kept)


class Shown:
    """A screen, and what the engine knows of it."""

    def __init__(self, journal: bytes) -> None:
        self.state = RunState()
        self._journal, self._offset = journal, 0
        self._sent = RunState()

    def send(self, now: Published) -> None:
        facts = self._journal[self._offset : now.journal_bytes].splitlines()
        self._offset = now.journal_bytes
        telemetry = [format_line(event) for event in telemetry_since(self._sent, now.state)]
        self._sent = now.state
        self.state = self.state.apply_all(parse_message(line) for line in (*facts, *telemetry))
        assert plain(self.state) == plain(now.state)


def test_the_recording_has_what_the_property_is_about(recorded: Recorded) -> None:
    experiments = [m.state.experiment for m in recorded.moments if m.state.experiment]
    found = [e for e in experiments if not e.running]
    assert {type(e.experiment) for e in found} == {type(e) for e in EXPERIMENTS}
    assert any(e.problem for e in found) and any(e.lens for e in found)
    assert any(e.left for e in found) and any(len(e.cells) == 2 for e in found)
    assert any(any(m.state.streams) for m in recorded.moments)


def test_at_every_moment(recorded: Recorded) -> None:
    screen = Shown(recorded.journal)
    for now in recorded.moments:
        screen.send(now)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_at_any_moments(recorded: Recorded, data: st.DataObject) -> None:
    last = len(recorded.moments) - 1
    screen = Shown(recorded.journal)
    for place in sorted(data.draw(st.sets(st.integers(0, last), min_size=1, max_size=12))):
        screen.send(recorded.moments[place])


def test_a_screen_that_comes_late_is_sent_all_at_once(recorded: Recorded) -> None:
    for now in recorded.moments[:: max(1, len(recorded.moments) // 60)]:
        Shown(recorded.journal).send(now)


def test_nothing_is_sent_twice(recorded: Recorded) -> None:
    for now in recorded.moments:
        assert telemetry_since(now.state, now.state) == []

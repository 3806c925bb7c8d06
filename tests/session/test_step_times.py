"""Where time goes in a session: journal, pauses, steps that were cut off and begun again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.run import events as ev
from engine.run.commands import MakeEdit, Pause, Resume, Stop
from engine.run.edits import SetOption
from engine.run.result import summarise
from engine.run.state import RunState
from engine.run.stopwatch import Stopwatch
from engine.session import publishing
from engine.session.local import LocalSession
from engine.storage.journal import read_state
from tests.support.moved_clock import MovedClock
from tests.support.watching import Watch, demo, finish, is_kind, is_token

SAID = 7.0  # seconds that it takes to say that a step begins


class Slow(Watch):
    """Time passes only while the begin of a step, an edit or a stop's token is said."""

    def __init__(self, clock: MovedClock) -> None:
        super().__init__()
        self.clock = clock

    def __call__(self, event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.StepStarted):
            self.clock.pass_by(SAID)
        elif isinstance(event, ev.Edited):
            self.clock.pass_by(1000)
        super().__call__(event, state)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    clock = MovedClock()
    monkeypatch.setattr(publishing, "Stopwatch", lambda: Stopwatch(clock))
    return clock


def run(watch: Slow, folder: Path, kept: Kept, *overrides: str) -> LocalSession:
    watch.session = LocalSession.create(demo("evaluation.every=0", *overrides), folder, watch, kept)
    watch.session.start()
    return watch.session


def test_a_pause_is_no_work_whatever_was_done_in_it(tmp_path, kept, clock) -> None:
    watch = Slow(clock)
    watch.at(is_token(3, step=2), Pause())
    edit = MakeEdit(edit=SetOption(key="sampling.temperature", value=0.9))
    watch.at(is_kind(ev.RunPaused), edit, Resume())
    state = finish(run(watch, tmp_path / "run", kept))
    said = ev.StepTimes(journal=SAID)
    paused = said.model_copy(update={"paused": 1000.0})
    assert [step.times for step in state.steps] == [said, paused, said]
    assert [step.seconds for step in state.steps] == [SAID] * 3
    by_phase = summarise(state)["seconds_by_phase"]
    assert by_phase is not None and by_phase["steps"] == 3
    assert (by_phase["journal"], by_phase["paused"]) == (3 * SAID, 1000)


def test_a_pause_between_two_steps_counts_for_the_next_one(tmp_path, kept, clock) -> None:
    watch = Slow(clock)
    watch.at(lambda event: isinstance(event, ev.StepFinished) and event.step == 1, Pause())
    edit = MakeEdit(edit=SetOption(key="sampling.temperature", value=0.9))
    watch.at(is_kind(ev.RunPaused), edit, Resume())
    state = finish(run(watch, tmp_path / "run", kept, "steps=2"))
    assert [step.times.paused for step in state.steps if step.times] == [0, 1000]
    assert [step.seconds for step in state.steps] == [SAID] * 2


def test_a_step_that_was_cut_off_is_in_no_sum(tmp_path, kept, clock) -> None:
    watch = Slow(clock)

    def cut(event: ev.Event) -> bool:
        is_there = is_there_yet(event)
        if is_there:
            clock.pass_by(500)
        return is_there

    is_there_yet = is_token(3, step=2)
    watch.at(cut, Stop())
    session = run(watch, tmp_path / "run", kept)
    assert session.wait(500) and session.state.status == "stopped"
    clock.pass_by(10_000)  # nobody is at work
    again = Slow(clock)
    again.session = LocalSession.resume(tmp_path / "run", again, kept)
    again.session.start()
    finish(again.session)
    state = read_state(tmp_path / "run")
    assert [step.times for step in state.steps] == [ev.StepTimes(journal=SAID)] * 3


def test_a_real_clock_gives_times_that_add_up(tmp_path: Path, kept: Kept) -> None:
    session = LocalSession.create(
        demo("steps=2", "evaluation.every=1"), tmp_path / "run", kept=kept
    )
    session.start()
    for step in finish(session).steps:
        times = step.times
        assert times is not None and step.seconds == times.work
        assert min(times.propose, times.score, times.journal) > 0
        assert times.paused == 0
    assert session.state.steps[0].times.test > 0  # the last step's is measured at the end

"""Replay: the same states as the run had, at any speed, forth and back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine.common.errors import ConfigError, JournalError
from engine.run import events as ev
from engine.run.commands import Pause, Resume, Stop
from engine.run.state import RunState
from engine.session.replay import KEPT_STATES, LONGEST_GAP_SECONDS, ReplaySession, parse_speed
from engine.storage.journal import Journal, read_journal
from tests.support.written_runs import write_run

STEPS = 3


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def timed(folder: Path, steps: int = STEPS) -> tuple[ev.Event, ...]:
    """A run with a second between facts, and a minute before each step."""
    events = read_journal(write_run(folder, curve=[40 + i % 40 for i in range(steps)])).events
    now, result = 1000.0, []
    for event in events:
        now += 60.0 if isinstance(event, ev.StepStarted) else 1.0
        result.append(event.model_copy(update={"time": now}))
    return tuple(result)


@pytest.fixture
def events(tmp_path: Path) -> tuple[ev.Event, ...]:
    return timed(tmp_path / "run")


@pytest.fixture
def replay(tmp_path: Path, events: tuple[ev.Event, ...], clock: Clock) -> ReplaySession:
    return ReplaySession(tmp_path / "run", events, clock=clock)


def test_it_plays_with_the_recorded_times_and_shortens_waits(replay, events, clock) -> None:
    assert replay.state == RunState().apply(events[0])
    clock.now += 50
    assert replay.state.models is None  # nothing moves before it is started
    replay.start()
    clock.now += 3.5  # models, seed scored, seed tested; then the minute
    assert replay.state == RunState().apply_all(events[:4])
    clock.now += LONGEST_GAP_SECONDS - 1
    assert replay.state.step == 0
    clock.now += 1
    assert replay.state.step == 1
    clock.now += 1000
    assert replay.state == RunState().apply_all(events)
    assert replay.at_end and not replay.playing


def test_speeds(replay, clock) -> None:
    replay.speed = 4.0
    replay.start()
    clock.now += 2.0
    assert replay.state.step == 1
    replay.change_speed(1)
    assert replay.speed == 8.0
    assert replay.state.step == 1  # it goes on from where it is
    clock.now += 0.5
    assert replay.state.step == 2
    for _ in range(9):
        replay.change_speed(1)
    assert math.isinf(replay.speed)
    replay.change_speed(-1)
    assert replay.speed == 64.0
    replay.speed = 5.0
    replay.change_speed(-1)
    assert replay.speed == 4.0


def test_speeds_of_the_command_line() -> None:
    given = ("1", "2.5", "64x", "max")
    assert [parse_speed(text) for text in given] == [1.0, 2.5, 64.0, math.inf]
    for text in ("0.5", "65", "nan", "inf", "-1", "fast"):
        with pytest.raises(ConfigError, match="from 1 to 64, or max"):
            parse_speed(text)


def test_the_highest_speed_is_a_step_each_tenth_of_a_second(replay, clock) -> None:
    replay.speed = math.inf
    replay.start()
    seen = []
    for _ in range(6):
        seen.append((replay.state.steps_done, replay.state.status))
        clock.now += 0.1001
    assert seen[1:5] == [(1, "running"), (2, "running"), (3, "running"), (3, "finished")]


def test_pause_holds_and_resume_goes_on(replay, clock) -> None:
    replay.start()
    clock.now += 2.5
    before = replay.state
    replay.send(Pause())
    clock.now += 100
    assert replay.state is before
    replay.send(Stop())  # there is no engine
    replay.send(Resume())
    assert replay.state is before
    clock.now += 1.5
    assert replay.state is not before
    assert replay.ended and replay.wait(0)


def test_any_step_at_once_in_any_order(replay, events) -> None:
    for step in (2, 0, 3, 1, 1, 3, 0):
        replay.go_to(step)
        assert replay.step == replay.state.steps_done == step
        end = next(i for i, e in enumerate(events) if step == 0 or _finishes(e, step))
        if step:
            assert replay.state == RunState().apply_all(events[: end + 1])
    replay.go_to(99)
    assert replay.state.steps_done == STEPS
    assert replay.state.status == "running"


def _finishes(event: ev.Event, step: int) -> bool:
    return isinstance(event, ev.StepFinished) and event.step == step


def test_step_by_step_to_the_end_and_back(replay) -> None:
    seen = []
    for _ in range(6):
        replay.go_by(1)
        seen.append((replay.state.steps_done, replay.at_end))
    assert seen == [(0, False), (1, False), (2, False), (3, False), (3, True), (3, True)]
    for _ in range(6):
        replay.go_by(-1)
        seen.append((replay.state.steps_done, replay.at_end))
    assert seen[6:] == [(3, False), (2, False), (1, False), (0, False), (0, False), (0, False)]
    replay.go_to_end()
    replay.play()  # from the beginning again
    assert replay.state.models is None


def test_a_long_run_keeps_few_states_and_finds_all(tmp_path: Path, clock: Clock) -> None:
    events = timed(tmp_path / "long", 250)
    replay = ReplaySession(tmp_path / "long", events, clock=clock)
    assert len(replay._kept) <= KEPT_STATES + 1
    for step in (250, 3, 249, 124, 0):
        replay.go_to(step)
        assert len(replay.state.steps) == step


def test_a_run_that_goes_on_is_read_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", finished=False)
    replay = ReplaySession.open(folder)
    replay.go_to(0)
    journal = Journal(folder)
    journal.append(ev.Warned(message="news"))
    journal.close()
    replay.reload()
    assert replay.state.steps_done == 0
    replay.go_to_end()
    assert replay.state.log[-1].text == "news"


def test_a_run_that_ended_before_its_seed_was_scored(tmp_path: Path, events) -> None:
    replay = ReplaySession(tmp_path, events[:1])
    assert (replay.steps, replay.step, replay.at_end) == (0, 0, True)
    replay.go_by(1)
    replay.play()
    assert replay.state.run == "run" and not replay.playing


def test_facts_that_are_no_runs_are_refused(tmp_path: Path, events) -> None:
    broken = events[3].model_copy(update={"n": 0})
    with pytest.raises(JournalError, match="line 4 of"):
        ReplaySession(tmp_path, (*events[:3], broken, *events[4:]))

"""The engine's clock: one phase at a time, pauses apart, laps."""

from __future__ import annotations

import pytest

from engine.run.step_times import STEP_PHASES, StepTimes, sum_of_times
from engine.run.stopwatch import Stopwatch
from tests.support.moved_clock import MovedClock


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def watch(clock: MovedClock) -> Stopwatch:
    return Stopwatch(clock)


def test_a_block_within_a_block_counts_for_itself(watch: Stopwatch, clock: MovedClock) -> None:
    clock.pass_by(1)
    with watch.during("propose"):
        clock.pass_by(2)
        with watch.during("score"):
            clock.pass_by(4)
        clock.pass_by(8)
    clock.pass_by(16)
    assert watch.lap() == StepTimes(propose=10, score=4, other=17)
    assert watch.lap() == StepTimes()


def test_a_turn_holds_up_to_the_end_of_its_block(watch: Stopwatch, clock: MovedClock) -> None:
    with watch.during("propose"):
        watch.turn("wait")
        clock.pass_by(3)
        watch.turn("propose")
        clock.pass_by(5)
        watch.turn("wait")
    clock.pass_by(7)
    assert watch.lap() == StepTimes(propose=5, wait=3, other=7)


def test_what_is_done_in_a_pause_is_paused(watch: Stopwatch, clock: MovedClock) -> None:
    with watch.during("propose"), watch.during("paused"):
        clock.pass_by(2)
        with watch.during("score"):
            watch.turn("journal")
            clock.pass_by(3)
        clock.pass_by(4)
    assert watch() == 0
    clock.pass_by(1)
    assert watch() == 1
    assert watch.lap() == StepTimes(paused=9, other=1)


def test_a_block_that_is_left_by_an_error_is_over(watch: Stopwatch, clock: MovedClock) -> None:
    with pytest.raises(ValueError), watch.during("score"):
        clock.pass_by(2)
        raise ValueError
    clock.pass_by(3)
    assert watch.lap() == StepTimes(score=2, other=3)


def test_sums_leave_out_what_was_not_measured() -> None:
    assert sum_of_times([]) is None and sum_of_times([None]) is None
    one, two = StepTimes(propose=1, test=2, paused=3), StepTimes(propose=4, journal=5)
    assert sum_of_times([one, None, two]) == (
        StepTimes(propose=5, test=2, paused=3, journal=5),
        2,
    )
    assert two.work == two.total == 9
    assert one.work == 1 and one.total == 6
    assert set(STEP_PHASES) == set(StepTimes.model_fields)

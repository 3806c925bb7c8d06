"""Steering step by step and in bins: means, what is kept, and where there are many steps."""

from __future__ import annotations

import math

import pytest

from engine.run.state import RunState
from glov_tui.cockpit.steering_steps import (
    Columns,
    SteeringStep,
    fitting_width,
    other_width,
    steering_steps,
)
from tests.support.sessions import one_step
from tests.support.steered_runs import long_run, measured, models, prepared, steered_step


def state_of(*events) -> RunState:
    return RunState().apply_all([*models(4), *events])


def test_steps_have_what_they_were_steered_with_and_what_it_did() -> None:
    state = state_of(*one_step(1, {"one <category>.": 5}), *steered_step(2, 4, era=1))
    first, second = steering_steps(state)
    assert first.steered is None and first.values("norm") == ()
    assert second.values("norm") == (11, 12, 13, 14)
    assert second.values("ratio") == (0.011, 0.012, 0.013, 0.014)
    assert second.effect is not None and second.effect.changed == 0.25


def test_equal_norms_are_kept_once() -> None:
    state = state_of(*steered_step(1, 4), *steered_step(2, 4), *steered_step(3, 4, era=1))
    one, two, three = (step.values("norm") for step in steering_steps(state))
    assert one is two and three != two


def test_the_effect_of_another_attempt_is_not_taken_for_this_one() -> None:
    begun, asked, *_ = one_step(1, {"one <category>.": 5})
    again = asked.model_copy(update={"attempt": 2})
    state = state_of(begun, asked, prepared(1, 4), measured(1, 0.3), again, prepared(1, 4))
    (step,) = steering_steps(state)
    assert step.steered is not None and step.effect is None


def test_a_step_that_is_begun_again_counts_once() -> None:
    cut = steered_step(2, 4)[:4]
    state = state_of(*steered_step(1, 4), *cut, *steered_step(2, 4, era=3))
    assert [step.step for step in steering_steps(state)] == [1, 2]
    assert steering_steps(state)[1].values("norm")[0] == 31


def test_bins_have_the_means_of_what_was_steered() -> None:
    other = steered_step(3, 4, era=2, layers=(1,), alpha=1.5)
    state = state_of(*one_step(1, {"one <category>.": 5}), *steered_step(2, 4), *other)
    columns = Columns()
    columns.update(steering_steps(state), "norm", 2)
    first, second = columns.all
    assert (first.first, first.last, first.values) == (1, 2, (1, 2, 3, 4))
    assert first.kl == pytest.approx(0.1 * (1 + math.sin(2))) and first.alpha == 0.5
    assert (second.first, second.last, second.values[0]) == (3, 3, 21)
    assert second.layers == {1} and second.alpha == 1.5
    assert (columns.scale.low, columns.scale.high) == (1, 24)
    columns.update(steering_steps(state), "norm", 10)
    assert columns.all[0].values == (11, 12, 13, 14) and columns.all[0].layers == {1, 2}


def test_the_effect_of_a_bin_is_that_on_all_its_tokens() -> None:
    few, many = (
        measured(step, kl, changed).model_copy(update={"tokens": tokens})
        for step, kl, changed, tokens in ((1, 1.0, 0.5, 10), (2, 0.1, 0.0, 90))
    )
    steps = [SteeringStep(step, None, effect) for step, effect in ((1, few), (2, many))]
    columns = Columns()
    columns.update(steps, "norm", 2)
    (column,) = columns.all
    assert column.kl == pytest.approx(0.19) and column.changed == pytest.approx(0.05)


@pytest.mark.parametrize("width", [1, 2, 7])
def test_step_by_step_is_as_all_at_once(width: int) -> None:
    state, grown = RunState(), Columns()
    for event in long_run(20, 3):
        state = state.apply(event)
        grown.update(steering_steps(state), "ratio", width)
        fresh = Columns()
        fresh.update(steering_steps(state), "ratio", width)
        assert grown.all == fresh.all and grown.scale == fresh.scale
    back = RunState().apply_all(list(long_run(9, 3)))
    grown.update(steering_steps(back), "ratio", width)
    assert grown.all[-1].last == 9


def test_bins_that_are_full_are_not_made_again() -> None:
    state = RunState().apply_all(list(long_run(1000, 8)))
    columns = Columns()
    columns.update(steering_steps(state), "norm", 10)
    before = list(columns.all)
    state = state.apply_all(steered_step(1001, 8))
    columns.update(steering_steps(state), "norm", 10)
    assert len(columns.all) == 101
    assert all(a is b for a, b in zip(before[:-1], columns.all, strict=False))


@pytest.mark.parametrize(
    "steps, room, width", [(0, 10, 1), (10, 10, 1), (11, 10, 2), (50, 10, 5), (1000, 70, 20)]
)
def test_bins_are_as_wide_as_it_takes(steps: int, room: int, width: int) -> None:
    assert fitting_width(steps, room) == width


def test_bins_go_up_and_down_the_same_widths() -> None:
    widths = [1]
    for _ in range(6):
        widths.append(other_width(widths[-1], 1))
    assert widths == [1, 2, 5, 10, 20, 50, 100]
    assert other_width(1, -1) == 1 and other_width(100, -1) == 50


def test_the_column_of_a_step_is_found() -> None:
    columns = Columns()
    columns.update(steering_steps(RunState().apply_all(list(long_run(20, 3)))), "norm", 5)
    assert [columns.of_step(step) for step in (1, 5, 6, 20, 99)] == [0, 0, 1, 3, 3]

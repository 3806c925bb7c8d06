"""A step says where its time went, on a clock that passes while each phase is under way."""

from __future__ import annotations

import dataclasses

import pytest

from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.stopwatch import Stopwatch
from tests.support.moved_clock import MovedClock
from tests.support.steps import begin

PASSES = {"meta-prompt": 1, "steering": 10, "proposing": 100, "scoring": 1000, "testing": 10_000}
"""Seconds of each progress of a phase."""


def test_each_phase_has_its_own_time(demo_models) -> None:
    clock = MovedClock()
    watch = Stopwatch(clock)
    search = dataclasses.replace(demo_models("evaluation.every=2", "steps=4"), clock=watch)
    state, passed = begin(search), dict.fromkeys(PASSES, 0)
    state = state.apply_all(one_by_one(search.begin(state)))
    watch.lap()
    steered = 0
    for _ in range(3):
        passed = dict.fromkeys(PASSES, 0)
        for event in one_by_one(search.step(state)):
            if isinstance(event, ev.Progress) and event.phase in PASSES:
                clock.pass_by(PASSES[event.phase])
                passed[event.phase] += PASSES[event.phase]
            state = state.apply(event)
        done = state.steps[-1]
        assert done.times == ev.StepTimes(
            propose=passed["meta-prompt"] + passed["proposing"],
            steer=passed["steering"],
            score=passed["scoring"],
            test=passed["testing"],
        )
        assert done.seconds == done.times.work == done.times.total - passed["testing"]
        assert bool(passed["testing"]) == (done.step == 2)
        steered += passed["steering"]
    assert steered  # by the third step there was an improvement over the seed


@pytest.mark.parametrize("racing", ["true", "false"])
def test_raced_templates_are_scored_too(demo_models, racing: str) -> None:
    clock = MovedClock()
    models = demo_models(f"search.racing={racing}", "evaluation.every=0")
    search = dataclasses.replace(models, clock=Stopwatch(clock))
    state = begin(search)
    state = state.apply_all(one_by_one(search.begin(state)))
    search.clock.lap()
    scored = 0
    for event in one_by_one(search.step(state)):
        if isinstance(event, ev.Progress) and event.phase == "scoring":
            clock.pass_by(1)
            scored += 1
        state = state.apply(event)
    assert state.steps[-1].times == ev.StepTimes(score=scored) and scored

"""A run step by step, from its facts: what was reached, measured and steered in each."""

from __future__ import annotations

from dataclasses import dataclass

from engine.analysis.export.exported import Exported
from engine.run import events as ev


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step that is done."""

    finished: ev.StepFinished
    prepared: ev.SteeringPrepared | None  # None: it was not steered
    measured: ev.SteeringMeasured | None  # of its last attempt; None: not measured


def steps_of(run: Exported) -> list[StepFacts]:
    """The steps that are done, in order. Of one that was begun again the last time counts."""
    prepared: dict[int, ev.SteeringPrepared] = {}
    measured: dict[int, ev.SteeringMeasured] = {}
    found: dict[int, StepFacts] = {}
    for event in run.events:
        match event:
            case ev.StepStarted(step=step):
                prepared.pop(step, None)
                measured.pop(step, None)
            case ev.SteeringPrepared(step=step):
                prepared[step] = event
            case ev.SteeringMeasured(step=step):
                measured[step] = event
            case ev.StepFinished(step=step):
                found[step] = StepFacts(event, prepared.get(step), measured.get(step))
            case _:
                pass
    return [found[step] for step in sorted(found)]


def tests_of(run: Exported) -> list[ev.TestMeasured]:
    """The test measurements by step: of each subject and step the last one, and all that a person
    asked for.
    """
    found = {
        (test.subject, test.step, test.templates if test.subject == "asked" else ()): test
        for test in run.state.tests
    }
    return sorted(found.values(), key=lambda test: test.step)

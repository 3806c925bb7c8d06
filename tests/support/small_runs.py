"""Real runs on the shipped models that take a second, and what two of them must have alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import fold_journal, read_journal
from tests.support.patience import CEILING_SECONDS

# With a test measurement after each step; P+ and P- move in step 1, so that step 3 compares its
# direction with that of step 2.
OVERRIDES = ("steps=3", "data.shots=1", "sampling.max_new_tokens=30", "evaluation.every=1")


def demo(*overrides: str) -> RunConfig:
    return load_config("demo", [*OVERRIDES, *overrides])


def drive(session: LocalSession) -> RunState:
    session.start()
    assert session.wait(CEILING_SECONDS), "the engine hangs"
    return session.state


def outcome(folder: Path) -> dict[str, Any]:
    """All that a run found, without clocks and without how often it was begun."""
    content = read_journal(folder)
    assert not content.torn_bytes
    state = fold_journal(folder, content.events)
    assert state.status == "finished", state.error
    return {
        "ranking": state.ranking,
        "anchors": state.anchors,
        "tests": [test.comparable() for test in state.tests],
        "steps": [step.comparable() for step in state.steps],
        "facts": facts_of_steps(content.events),
        "asked": sorted(
            (event.kind, str(event.comparable()))
            for event in content.events  # once each: what was accepted is not asked for again
            if isinstance(event, ev.TemplateInjected | ev.Edited)
        ),
    }


OF_A_STEP = (
    ev.MetaPromptComposed,
    ev.SteeringPrepared,
    ev.SteeringMeasured,
    ev.CandidateProposed,
    ev.TemplateScored,
    ev.StepRetried,
    ev.AnchorsMoved,
    ev.StepFinished,
    ev.TestMeasured,
)


def facts_of_steps(events: Iterable[ev.Event]) -> dict[int, list[dict[str, Any]]]:
    """What each step asked, got, measured and decided, where it was done to its end."""
    found: dict[int, list[dict[str, Any]]] = {0: []}
    step = 0
    for event in events:
        if isinstance(event, ev.StepStarted):
            step = event.step
            found[step] = []
        elif isinstance(event, ev.TemplateScored) and event.origin == "human":
            continue  # once and for all, whenever that was
        elif isinstance(event, OF_A_STEP) and event.comparable() not in found[step]:
            found[step].append(event.comparable())
    return found

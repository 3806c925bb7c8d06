"""Real runs on the shipped models that take a second, and what two of them must have alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.config_file import load_config
from engine.journal import fold_journal, read_journal
from engine.local_session import LocalSession
from engine.state import RunState

OVERRIDES = ("steps=2", "data.shots=1", "sampling.max_new_tokens=30")


def demo(*overrides: str) -> RunConfig:
    return load_config("demo", [*OVERRIDES, *overrides])


def drive(session: LocalSession) -> RunState:
    session.start()
    assert session.wait(600), "the engine hangs"
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
        "tests": {s: state.test(s).comparable() for s in ("seed", "best", "ensemble")},
        "steps": [step.comparable() for step in state.steps],
    }

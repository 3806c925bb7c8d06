"""A search that is driven without a session: its facts, step by step."""

from __future__ import annotations

from typing import Any

from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.search.strategy import Search


def begin(search: Search) -> RunState:
    return RunState().apply_all(
        [
            ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={}),
            search.models_loaded(seconds=0.0),
        ]
    )


def run(search: Search, steps: int) -> tuple[RunState, list[ev.Event]]:
    state = begin(search)
    facts: list[ev.Event] = []
    parts = [search.begin, *[search.step] * steps, search.finish]
    for part in parts:
        for event in one_by_one(part(state)):
            if event.is_fact:
                facts.append(event)
            state = state.apply(event)
    return state, facts


def of(facts: list[ev.Event], kind: type) -> list[Any]:
    return [e for e in facts if isinstance(e, kind)]


def comparable(facts: list[ev.Event]) -> list[dict]:
    return [e.comparable() for e in facts]

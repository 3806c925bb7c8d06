"""How the optimiser's generators hand over events, and get the caller's state back.

Events that belong together are yielded as one tuple: they are journaled in one append, so that a
run that is killed has all of them or none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from engine.run import events as ev
from engine.run.state import RunState

T = TypeVar("T")
Y = TypeVar("Y")

Emitted = ev.Event | tuple[ev.Event, ...]
"""One event, or those of one append."""

Steps = Generator[Emitted, RunState | None, T]
"""Yields events, may be sent the caller's state after each yield."""

Events = Steps[RunState]
"""Returns the state at its end."""


def emit(state: RunState, *events: ev.Event) -> Events:
    """Yield events as one append; the caller's state if it sent one, else our own fold."""
    sent = yield events[0] if len(events) == 1 else events
    return state.apply_all(events) if sent is None else sent


def relay(
    state: RunState, work: Generator[Y, None, T], tell: Callable[[Y], Iterable[ev.Event]]
) -> Steps[tuple[RunState, T]]:
    """Run a model's generator to its end, and emit what ``tell`` makes of each of its yields."""
    try:
        while True:
            for event in tell(next(work)):
                state = yield from emit(state, event)
    except StopIteration as finished:
        return state, finished.value
    finally:
        work.close()


def together(emitted: Emitted) -> tuple[ev.Event, ...]:
    """The events of one yield."""
    return emitted if isinstance(emitted, tuple) else (emitted,)


def one_by_one(work: Steps[T]) -> Generator[ev.Event, None, None]:
    """All events of a generator that is sent no state."""
    with contextlib.closing(work):
        for emitted in work:
            yield from together(emitted)

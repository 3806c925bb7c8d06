"""Sessions that are watched and driven at exact places."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.commands import (
    Command,
)
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from tests.support.patience import CEILING_SECONDS


def demo(*overrides: str) -> RunConfig:
    return load_config("demo", ["steps=3", "data.shots=1", *overrides])


class Watch:
    """Waits for events of a session and sends commands from its thread at exact places."""

    def __init__(self) -> None:
        self.session: LocalSession | None = None
        self.rules: list[tuple[Callable[[ev.Event], bool], list[Command]]] = []
        self.seen: list[ev.Event] = []
        self._arrived = threading.Condition()

    def at(self, when: Callable[[ev.Event], bool], *commands: Command) -> None:
        self.rules.append((when, list(commands)))

    def __call__(self, event: ev.Event, state: RunState) -> None:
        with self._arrived:
            self.seen.append(event)
            self._arrived.notify_all()
        for when, commands in self.rules:
            if commands and when(event):
                for command in commands:
                    self.session.send(command)
                commands.clear()

    def wait_for_many(self, kind: type, n: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: sum(isinstance(e, kind) for e in self.seen) >= n, timeout=CEILING_SECONDS
            )

    def wait_for(self, when: Callable[[ev.Event], bool]) -> None:
        with self._arrived:
            found = self._arrived.wait_for(
                lambda: any(when(e) for e in self.seen), timeout=CEILING_SECONDS
            )
        assert found, f"never seen; last: {self.seen[-3:]}"


def start(folder: Path, watch: Watch, *overrides: str, kept: Kept | None = None) -> LocalSession:
    watch.session = LocalSession.create(demo(*overrides), folder, watch, kept)
    watch.session.start()
    return watch.session


def finish(session: LocalSession) -> RunState:
    assert session.wait(CEILING_SECONDS), "the engine did not end"
    assert session.state.status == "finished", session.state.error
    return session.state


def facts(folder: Path) -> list[dict]:
    """What a run did, without clocks, pauses and processes."""
    skip = (
        ev.RunPaused,
        ev.RunResumed,
        ev.RunStopped,
        ev.RunReopened,
        ev.ModelsLoaded,
        ev.RunStarted,
    )
    return [e.comparable() for e in read_journal(folder).events if not isinstance(e, skip)]


def is_token(n: int, step: int = 2) -> Callable[[ev.Event], bool]:
    seen = 0

    def when(event: ev.Event) -> bool:
        nonlocal seen
        seen += isinstance(event, ev.TokensStreamed) and event.step == step
        return seen == n

    return when


def is_kind(kind: type, step: int | None = None) -> Callable[[ev.Event], bool]:
    return lambda e: isinstance(e, kind) and (step is None or e.step == step)

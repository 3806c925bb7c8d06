"""What a screen needs of a run: its state, its end, and a way to send commands."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from engine.run.commands import Command
from engine.run.state import RunState


class Session(Protocol):
    """A run that can be watched and driven, here or elsewhere."""

    @property
    def state(self) -> RunState:
        """The latest state; never changes under the reader."""
        ...

    @property
    def folder(self) -> Path: ...

    @property
    def ended(self) -> bool:
        """Whether the engine is done, failed or stopped."""
        ...

    def start(self) -> None:
        """Start the engine if it was not started; returns at once."""
        ...

    def send(self, command: Command) -> bool | None:
        """Queue a command; returns at once, and False where it is known to be too late."""
        ...

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the engine's end; returns whether it has ended."""
        ...

"""What every pane is: it draws the part of a `RunState` that it is for, when that part changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from textual.message import Message
from textual.screen import Screen

from engine.run.state import RunState


class Pane(Protocol):
    """A widget that can be asked whether a state looks different from the one it shows.

    ``fingerprint`` is everything that ``show`` would make visible, cheap to compare; a pane is
    repainted only when it changed.
    """

    TITLE: ClassVar[str]
    INTERVAL: ClassVar[float]  # seconds between two repaints, at least

    def fingerprint(self, state: RunState) -> Hashable:
        """Equal for two states that look the same here."""
        ...

    def show(self, state: RunState) -> None:
        """Draw the state."""
        ...


@dataclass
class DetailsRequested(Message):
    """A person wants to read all about a template that was scored: ``key`` is its."""

    key: str


class PaneScreen(Screen[None]):
    """A screen over the cockpit that has panes of its own, and hides those of the cockpit."""

    APP_ACTIONS: ClassVar[frozenset[str]] = frozenset()
    """Keys of the cockpit that work here too."""
    NAME: ClassVar[str] = ""
    """What the command palette calls it."""

    def panes(self) -> Iterable[Pane]:
        """The panes to repaint while the screen is in view."""
        raise NotImplementedError

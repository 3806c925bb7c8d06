"""The machine that the engine runs on, how fast it writes, and where its time goes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from engine.run.state import RunState
from glov_tui.cockpit.machine_lines import (
    Look,
    machine_lines,
    speed_line,
    step_lines,
    total_lines,
)
from glov_tui.cockpit.panes.pane import Pane, PaneScreen
from glov_tui.cockpit.screens.dialog import LeftOnce
from glov_tui.common.glyphs import Glyphs
from glov_tui.terminal.terminal_kind import shows_shades
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView, wrap

MOST_STEPS = 500
"""Bars of steps, the newest: all of them are in the report."""


class _Lines(TextView):
    """A pane of lines; the phases of a step have colours of their own."""

    TITLE: ClassVar[str] = "machine"
    INTERVAL: ClassVar[float] = 0.5
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"spans--{name}" for name in ("propose", "steer", "score", "wait", "journal")),
        *(f"spans--{name}" for name in ("other", "test")),
    }
    DEFAULT_CSS = """
    _Lines {
        .spans--propose { background: $primary; color: auto 100%; }
        .spans--steer { background: $warning; color: auto 100%; }
        .spans--score { background: $success; color: auto 100%; }
        .spans--wait { background: $error; color: auto 100%; }
        .spans--journal { background: $foreground 33%; color: auto 100%; }
        .spans--other { background: $foreground 20%; color: auto 100%; }
        .spans--test { background: $secondary; color: auto 100%; }
    }
    """

    def __init__(self, glyphs: Glyphs, id: str) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._colours = shows_shades()
        self._state: RunState | None = None

    @property
    def look(self) -> Look:
        """How lines are drawn at the present size."""
        width = max(20, self.scrollable_content_region.width)
        return Look(width, self._glyphs, self._colours)

    def fingerprint(self, state: RunState) -> Hashable:
        """What the lines are made of."""
        raise NotImplementedError

    def lines(self, state: RunState) -> list[Line]:
        """All of them."""
        raise NotImplementedError

    def show(self, state: RunState) -> None:
        """Draw the lines that changed."""
        self._state = state
        self.set_lines(self.lines(state))

    def on_resize(self) -> None:
        """Draw at the new width."""
        if self._state is not None:
            self.show(self._state)


class Gauges(_Lines, can_focus=False):
    """The machine now and in the last minute, and tokens per second."""

    DEFAULT_CSS = """
    Gauges { height: auto; max-height: 70%; }
    """

    def __init__(self, glyphs: Glyphs, is_live: Callable[[], bool]) -> None:
        super().__init__(glyphs, id="gauges")
        self._is_live = is_live

    def fingerprint(self, state: RunState) -> Hashable:
        """The lines themselves: they are cheap to make."""
        return tuple(self.lines(state))

    def lines(self, state: RunState) -> list[Line]:
        """The machine, then the LLM's speed."""
        look = self.look
        rows = self.screen.size.height // 2 - 1  # of a long list of GPUs: the bars are to be seen
        return [*machine_lines(state, look, self._is_live(), rows), speed_line(state, look)]

    def show(self, state: RunState) -> None:
        """As tall as there are gauges."""
        super().show(state)
        look, lines = self.look, self.lines(state)
        rows = sum(len(wrap(line, look.width)) for line in lines)
        if self.styles.height is None or self.styles.height.value != rows:
            self.styles.height = rows


class TimeBars(_Lines):
    """Where the time of the steps went: in all, and of each."""

    DEFAULT_CSS = """
    TimeBars { height: 1fr; }
    """

    def fingerprint(self, state: RunState) -> Hashable:
        """Steps only get more, or are others."""
        return len(state.steps), id(state.steps[-1]) if state.steps else None

    def lines(self, state: RunState) -> list[Line]:
        """The sum, and the newest steps first."""
        look = self.look
        steps = state.steps[-MOST_STEPS:]
        found = [*total_lines(state, look), ((" ", ""),), *step_lines(steps, look)]
        if len(state.steps) > MOST_STEPS:
            found.append(
                ((f"{len(state.steps) - MOST_STEPS} earlier steps are in the report", "dim"),)
            )
        return found


class MachineScreen(LeftOnce[None], PaneScreen):
    """Over the cockpit; the app's pump repaints it."""

    NAME = "Machine"
    APP_ACTIONS: ClassVar[frozenset[str]] = frozenset(
        ["pause", "resume", "step_once", "help", "leave", "redraw"]
    )
    OPENED_BY: ClassVar[str] = "machine"
    CLOSES: ClassVar[str] = "close"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", tooltip="Back to the cockpit"),
    ]
    DEFAULT_CSS = """
    MachineScreen {
        layout: vertical;
        .about { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; }
        .heading { height: 2; padding: 1 1 0 1; text-style: bold; color: $text-accent; }
        Gauges, TimeBars { padding: 0 1; }
        &.-low .heading { height: 1; padding: 0 1; }
    }
    """

    def __init__(
        self, shown: Callable[[], RunState], glyphs: Glyphs, is_live: Callable[[], bool]
    ) -> None:
        """``shown`` is the state that the screen shows, ``is_live`` whether of the present."""
        super().__init__()
        self._shown = shown
        self._glyphs, self._is_live = glyphs, is_live
        self._ready = False

    def compose(self) -> ComposeResult:
        """Gauges over bars."""
        yield Static("the engine's machine", classes="about", markup=False)
        yield Gauges(self._glyphs, self._is_live)
        yield Static("where the time went", classes="heading", markup=False)
        yield TimeBars(self._glyphs, id="times")
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the state at once."""
        self._ready = True
        self.query_one(TimeBars).focus()
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        for pane in self.panes():
            pane.show(self._shown())

    def on_resize(self) -> None:
        """Fewer blank lines where it is low."""
        self.set_class(self.app.size.height < 30, "-low")

    def panes(self) -> Iterable[Pane]:
        """What the pump repaints."""
        if self._ready:
            for kind in (Gauges, TimeBars):
                yield from cast(Iterable[Pane], self.query(kind))

    def action_close(self) -> None:
        """Back to the cockpit."""
        self.dismiss(None)

"""The screen of a sweep: its runs with state, node, step, best and ETA, opened and stopped from it.

It reads the sweep's folder on a thread of its own, and asks whoever drives the sweep by files in
it: it can be closed, and another opened, here or on another host. What is opened is for whoever
shows the fleet to show: ``FleetApp.run`` returns it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar, Protocol

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from engine.common.errors import UserError
from engine.storage.run_folder import run_argument
from engine.sweeps.driving import ask_to_stop
from engine.sweeps.fleet import UNDER_WAY, Fleet, FleetState, TrialRow
from glov_tui.cockpit.fleet.lines import Columns, detail_lines, header, row_line, status_line
from glov_tui.cockpit.runs.live_table import LiveTableApp, content
from glov_tui.common.glyphs import ASCII
from glov_tui.common.text import clean
from glov_tui.terminal.tty import Terminal
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable


class Driver(Protocol):
    """The process that drives a sweep, where this screen has begun it."""

    def refused(self) -> str | None:
        """Why it could not begin, if it could not."""
        ...

    def lives(self) -> bool:
        """Whether it is there, at work or about to be."""
        ...

    def stop(self) -> None:
        """Tell it to stop."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait for its end, but not for ever."""
        ...


class FleetTable(RowTable):
    """The runs of a sweep."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", tooltip="Attach to the run, or replay it"),
    ]


class FleetApp(LiveTableApp[FleetState]):
    """Shows a sweep until a person leaves it, or opens one of its runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop", "Stop run", tooltip="Stop the run at its next safe point"),
        Binding("S", "stop_all", "Stop sweep", tooltip="Stop all runs, and begin no other"),
        Binding("R", "home", "Runs", tooltip="All runs, of this sweep or not"),
        Binding("q", "leave", "Quit", tooltip="Detach, or stop the sweep; asks which"),
        *LiveTableApp.LIVE_KEYS,
    ]
    CTRL_C = "Press ctrl+c again to detach; S stops the sweep."

    def __init__(
        self,
        fleet: Fleet,
        *,
        terminal: Terminal | None = None,
        kib_per_second: float = 12.0,
        selected: str | None = None,
        driver: Driver | None = None,
        from_home: bool = False,
        said: str = "",
    ) -> None:
        """``selected``: the name of a run; ``driver``: what this screen has begun; ``from_home``:
        leaving leads there; ``said``: what went wrong with a run that was to be opened.
        """
        super().__init__(terminal, kib_per_second)
        self._fleet, self._begun_by = fleet, driver
        self._drawn: tuple[object, ...] | None = None
        self._selected = selected
        self._from_home, self._said = from_home, said
        self.stopping = False  # the sweep was asked to stop
        self.opened: TrialRow | None = None  # what is to be shown next
        self.goes_home = False
        self._rate: tuple[float, int] | None = None  # when looking began, and the steps then
        self._counting = False

    def compose(self) -> ComposeResult:
        """Status line, table, details of the run under the cursor, keys."""
        yield Static(id="runs-status", markup=False)
        table = FleetTable("|" if self._glyphs is ASCII else "▌")
        table.id = "runs"
        table.border_title = "runs"
        yield table
        yield Static(id="details", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Say what could not be shown."""
        if self._said:
            self.notify(clean(self._said), severity="error", timeout=10)

    def look(self) -> Iterator[FleetState]:
        """The sweep now."""
        yield self._fleet.look()

    def is_followed(self) -> bool:
        """Whether a run, or home, follows."""
        return self.opened is not None or self.goes_home or self._from_home

    # -- drawing -----------------------------------------------------------------------------

    def before_drawing(self, seen: FleetState) -> bool:
        """Count the steps for the ETA, and leave where the sweep could not begin."""
        self._count_steps(seen.steps_done)
        if self._begun_by is not None and self._begun_by.refused() is not None:
            self.exit()
            return False
        return True

    def _count_steps(self, done: int) -> None:
        """From when on, and how many: before the first one is done models were loaded."""
        if self._rate is None or (done == self._rate[1] and not self._counting):
            self._rate = (time.monotonic(), done)
        self._counting = self._counting or done != self._rate[1]

    def draw(self, fleet: FleetState) -> None:
        """Show the sweep."""
        width = self.size.width
        left = _seconds_left(fleet, self._rate)
        word = "starting" if fleet.driver is None and self._begins else ""
        word = "stopping" if self.stopping else word
        status = status_line(fleet, left, self._glyphs, width, word)
        self.query_one("#runs-status", Static).update(content(status), layout=False)
        table = self.query_one(RowTable)
        names = [row.name for row in fleet.rows]
        longest = max(map(len, names), default=0)
        hosts = {row.owner.host for row in fleet.rows if row.owner is not None}
        columns = Columns.fitting(table.line_width, longest, len(hosts) > 1)
        best = fleet.best
        selected = self._selected if self._selected in names else table.selected_key
        self._selected = None
        table.set_rows(
            header(columns),
            names,
            lambda at: row_line(fleet.rows[at], columns, self._glyphs, fleet.rows[at] is best),
            names.index(selected) if selected in names else 0,
        )
        lines = [content(list(line)) for line in detail_lines(self._row, self._glyphs)]
        self.query_one("#details", Static).update(Content("\n").join(lines), layout=False)
        drawn = (fleet.driver is None, self._row and self._row.status)
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh_bindings()

    @property
    def _begins(self) -> bool:
        """Whether what drives the sweep is there, and may not have come to it."""
        return self._begun_by is not None and self._begun_by.lives()

    @property
    def _row(self) -> TrialRow | None:
        """The run under the cursor."""
        key, fleet = self.query_one(RowTable).selected_key, self._seen
        if key is None or fleet is None:
            return None
        return next((row for row in fleet.rows if row.name == key), None)

    # -- actions -----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what can't be done now from the footer."""
        fleet = self._seen
        driven = fleet is not None and fleet.driver is not None
        if action == "home":
            return self._begun_by is None
        if action == "stop":
            row = self._row if self.is_whole() else None
            return driven and row is not None and row.status in (*UNDER_WAY, "waiting")
        return action != "stop_all" or (driven and not self.stopping)

    @on(RowTable.RowChosen)
    def _open_chosen(self) -> None:
        """Show the run under the cursor."""
        row = self._row
        if row is None:
            return
        if row.status in ("waiting", "new"):
            self.notify("This run is not begun yet.", timeout=4)
        elif row.status == "damaged":
            self.notify(clean(row.problem or ""), severity="error", timeout=10)
        else:
            self.opened = row
            self.exit()

    def action_stop(self) -> None:
        """Ask for the run under the cursor to stop."""
        row = self._row
        if row is not None:
            self._ask(row.name, f"{row.name} stops at its next safe point.")

    def action_stop_all(self) -> None:
        """Ask for the sweep to stop, once a person has said yes."""
        from glov_tui.cockpit.screens.question import QuestionScreen

        question = "Stop all runs? Nothing is lost: the same command goes on."
        if len(self.screen_stack) == 1:
            self.push_screen(
                QuestionScreen("stop", question, {"n": "Go on", "s": "Stop all"}), self._all
            )

    def _all(self, answer: str | None) -> None:
        if answer == "s":
            self._stop_all()

    def _stop_all(self) -> None:
        self.stopping = self._ask(None, "All runs stop at their next safe point.") or self.stopping
        self.refresh_bindings()

    def _ask(self, name: str | None, said: str) -> bool:
        assert self._seen is not None
        try:
            ask_to_stop(self._seen.folder, name)
        except UserError as error:
            self.notify(clean(str(error)), severity="error", timeout=10)
            return False
        self.notify(clean(said), timeout=5)
        return True

    def action_leave(self) -> None:
        """Quit; asks first where the sweep is at work."""
        from glov_tui.cockpit.screens.question import QuestionScreen

        fleet = self._seen
        if fleet is None or (fleet.driver is None and not self._begins):
            self.exit()
            return
        if len(self.screen_stack) > 1:
            return
        name = run_argument(fleet.folder)
        question = (
            "Detach, and the sweep goes on without a screen, or stop it?\n\n"
            f"Detached: glov attach {name}\nStopped: the same command goes on"
        )
        answers = {"n": "Stay", "d": "Detach", "s": "Stop and quit"}
        self.push_screen(QuestionScreen("quit", question, answers), self._left)

    def _left(self, answer: str | None) -> None:
        if answer == "s":
            self.stopping = True
            if self._begun_by is not None:
                self._begun_by.stop()  # also where it has not begun
            else:
                self._stop_all()
            self.exit()
        elif answer == "d":
            self.exit()

    def action_home(self) -> None:
        """To the list of all runs; the sweep goes on."""
        self.goes_home = True
        self.exit()


def _seconds_left(fleet: FleetState, since: tuple[float, int] | None) -> float | None:
    """By the steps that were done while the screen was there; None before there are two."""
    if since is None:
        return None
    seconds, steps = time.monotonic() - since[0], fleet.steps_done - since[1]
    return fleet.steps_left * seconds / steps if steps >= 2 and seconds > 0 else None

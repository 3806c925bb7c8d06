"""The screen of a sweep: its runs with state, node, step, best and ETA, opened and stopped from it.

It reads the sweep's folder on a thread of its own, and asks whoever drives the sweep by files in
it: it can be closed, and another opened, here or on another host. What is opened is for whoever
shows the fleet to show: ``FleetApp.run`` returns it.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
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
from glov_tui.cockpit.notices import NoticesApp
from glov_tui.cockpit.themes import begin_in_colours
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean
from glov_tui.terminal.governor import Governor
from glov_tui.terminal.screen_driver import screen_driver
from glov_tui.terminal.tty import Terminal, count_writes, queued_frames, redraw
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Span

LOOK_SECONDS = 0.5  # between two looks at the folder, or ten times what one takes
PUMP_SECONDS = 0.2
CTRL_C_SECONDS = 3.0
_STYLES = {
    "dim": "$text-muted",
    "strong": "bold",
    "good": "bold $text-success",
    "bad": "$text-error",
    "note": "bold $text-warning",
    "mark": "$text-accent",
}


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


class FleetTable(RowTable):
    """The runs of a sweep."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", tooltip="Attach to the run, or replay it"),
    ]


class FleetApp(NoticesApp):
    """Shows a sweep until a person leaves it, or opens one of its runs."""

    TITLE = "glov"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #fleet-status { height: 1; background: $panel; text-wrap: nowrap; }
    RowTable { border: round $foreground 35%; border-title-color: $foreground; }
    .-ascii RowTable { border: ascii $foreground 35%; }
    #details { height: 3; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop", "Stop run", tooltip="Stop the run at its next safe point"),
        Binding("S", "stop_all", "Stop sweep", tooltip="Stop all runs, and begin no other"),
        Binding("q", "leave", "Quit", tooltip="Detach, or stop the sweep; asks which"),
        Binding("ctrl+c", "help_quit", "Quit", show=False, priority=True),
        Binding("ctrl+l", "redraw", "Redraw", show=False),
    ]

    def __init__(
        self,
        fleet: Fleet,
        *,
        terminal: Terminal | None = None,
        kib_per_second: float = 12.0,
        selected: str | None = None,
        driver: Driver | None = None,
    ) -> None:
        """``selected``: the name of a run; ``driver``: what this screen has begun."""
        super().__init__(driver_class=screen_driver() if terminal else None)
        begin_in_colours(self)
        self._terminal = terminal
        ascii_only = terminal is not None and not terminal.unicode
        self.set_class(ascii_only, "-ascii")
        self._glyphs = ASCII if ascii_only else UNICODE
        self.governor = Governor(kib_per_second)
        self._fleet, self._begun_by = fleet, driver
        self._seen: FleetState | None = None  # replaced as a whole by the thread that looks
        self._drawn: tuple[object, ...] | None = None
        self._selected = selected
        self.stopping = False  # the sweep was asked to stop
        self.opened: TrialRow | None = None  # what is to be shown next
        self._rate: tuple[float, int] | None = None  # when looking began, and the steps then
        self._counting = False
        self._ended = threading.Event()
        self._ctrl_c_at = float("-inf")

    @property
    def seen(self) -> FleetState | None:
        """The sweep as it was seen last."""
        return self._seen

    def compose(self) -> ComposeResult:
        """Status line, table, details of the run under the cursor, keys."""
        yield Static(id="fleet-status", markup=False)
        table = FleetTable("|" if self._glyphs is ASCII else "▌")
        table.border_title = "runs"
        yield table
        yield Static(id="details", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """First paint, then the first look."""
        self.query_one(RowTable).focus()
        count_writes(self, self.governor)
        self.app_resume_signal.subscribe(self, lambda _: redraw(self))
        if self._terminal is not None:
            self._terminal.signals.attach(asyncio.get_running_loop(), self._told)
        threading.Thread(target=self._look, name="glov-fleet", daemon=True).start()
        self.set_interval(PUMP_SECONDS, self._pump)
        self.call_after_refresh(gc.enable)

    def on_unmount(self) -> None:
        """Look no more."""
        self._ended.set()

    # -- on its own thread -------------------------------------------------------------------

    def _look(self) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            self._seen = self._fleet.look()
            took = time.monotonic() - begun
            self._ended.wait(max(LOOK_SECONDS, 10 * took))

    # -- drawing -----------------------------------------------------------------------------

    def _pump(self) -> None:
        fleet = self._seen
        if fleet is None or not self.screen_stack:
            return
        self._count_steps(fleet.steps_done)
        if self._begun_by is not None and self._begun_by.refused() is not None:
            self.exit()
            return
        if len(self.screen_stack) > 1 or not self.governor.may_repaint(queued_frames(self)):
            return
        self._draw(fleet)

    def _count_steps(self, done: int) -> None:
        """From when on, and how many: before the first one is done models were loaded."""
        if self._rate is None or (done == self._rate[1] and not self._counting):
            self._rate = (time.monotonic(), done)
        self._counting = self._counting or done != self._rate[1]

    def _draw(self, fleet: FleetState) -> None:
        width = self.size.width
        left = _seconds_left(fleet, self._rate)
        word = "starting" if fleet.driver is None and self._begins else ""
        word = "stopping" if self.stopping else word
        status = status_line(fleet, left, self._glyphs, width, word)
        self.query_one("#fleet-status", Static).update(_content(status), layout=False)
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
        lines = [_content(list(line)) for line in detail_lines(self._row, self._glyphs)]
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

    @on(RowTable.RowSelected)
    def _moved(self) -> None:
        if self._seen is not None:
            self._draw(self._seen)

    def on_resize(self) -> None:
        """Other columns fit."""
        if self._seen is not None:
            self.call_after_refresh(self._draw, self._seen)

    # -- actions -----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what can't be done now from the footer."""
        fleet = self._seen
        driven = fleet is not None and fleet.driver is not None
        if action == "stop":
            row = self._row if self._has(RowTable) else None
            return driven and row is not None and row.status in (*UNDER_WAY, "waiting")
        return action != "stop_all" or (driven and not self.stopping)

    def _has(self, kind: type[RowTable]) -> bool:
        """Whether there is such a widget by now."""
        return bool(self.screen_stack) and bool(self.screen_stack[0].query(kind))

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
            self.push_screen(QuestionScreen(question, {"n": "Go on", "s": "Stop all"}), self._all)

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
        self.push_screen(QuestionScreen(question, answers), self._left)

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

    def action_help_quit(self) -> None:
        """Ctrl+c: the first asks for a second, the second leaves; the sweep goes on."""
        now = time.monotonic()
        if now - self._ctrl_c_at < CTRL_C_SECONDS:
            self.exit()
        else:
            self._ctrl_c_at = now
            self.notify("Press ctrl+c again to detach; S stops the sweep.", timeout=CTRL_C_SECONDS)

    def action_redraw(self) -> None:
        """Write the whole screen again."""
        redraw(self)

    async def action_quit(self) -> None:
        """Textual's own quit keys ask as ours do."""
        self.action_leave()

    def _told(self, number: signal.Signals) -> None:
        """What ends a screen does not end the sweep."""
        self.exit()


def _seconds_left(fleet: FleetState, since: tuple[float, int] | None) -> float | None:
    """By the steps that were done while the screen was there; None before there are two."""
    if since is None:
        return None
    seconds, steps = time.monotonic() - since[0], fleet.steps_done - since[1]
    return fleet.steps_left * seconds / steps if steps >= 2 and seconds > 0 else None


def _content(spans: list[Span]) -> Content:
    return Content.assemble(*((text, _STYLES.get(style, "")) for text, style in spans))

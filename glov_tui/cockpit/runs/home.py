"""Home: all runs in rows, live; each is opened, driven, compared or deleted from here.

It reads the runs folder on a thread of its own. What is opened is for whoever shows home to show:
``opened`` has it once the app has ended.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input, Static

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing
from engine.analysis.run_query import ORDERS, RunQuery, parse_query, without_unfinished
from engine.common.errors import ConfigError
from glov_tui.cockpit.runs.cells import told_apart
from glov_tui.cockpit.runs.home_actions import HomeActions
from glov_tui.cockpit.runs.home_lines import (
    HomeColumns,
    best_of,
    detail_lines,
    empty_lines,
    header,
    row_line,
    status_line,
)
from glov_tui.cockpit.runs.live_table import LiveTableApp, content
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.common.glyphs import ASCII
from glov_tui.common.text import clean
from glov_tui.terminal.tty import Terminal
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable

SHORT = 22  # lines, below which the details have two


class HomeTable(RowTable):
    """The runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", tooltip="Attach to a run that goes on, or show one"),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where there is no run, none is opened."""
        return action != "choose" or bool(self.keys)


class QueryInput(Input):
    """Where the filter is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.clear_query", "All runs", tooltip="Show all runs again"),
        Binding("down", "app.to_table", "To the runs", show=False),
    ]


class HomeApp(HomeActions):
    """Lists the runs until a person leaves, or opens one."""

    CSS = (
        LiveTableApp.CSS
        + """
    #details { height: 4; }
    .-short #details { height: 2; }
    QueryInput { height: 1; border: none; padding: 0 1; }
    #query-problem { display: none; height: auto; max-height: 3; padding: 0 1; color: $text-error; }
    #query-problem.-shown { display: block; }
    #empty { display: none; height: 1fr; padding: 1 2; }
    .-empty #empty { display: block; }
    .-empty #runs, .-empty #details { display: none; }
    """
    )
    PARTS = (*LiveTableApp.PARTS, "#empty", "#query-problem", "QueryInput")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", tooltip="By words and key:value"),
        Binding("space", "mark", "Mark", tooltip="Mark this run, or no longer"),
        Binding("o", "order", "Order", tooltip="By the newest, the best, or the name"),
        Binding("r", "resume", "Resume", tooltip="Take the run up where it ended"),
        Binding("s", "stop", "Stop", tooltip="Stop the run at its next safe point; asks"),
        Binding("c", "compare", "Compare", tooltip="Compare the marked runs, with paired tests"),
        Binding("v", "chart", "Chart", tooltip="The marked runs, or this one, on one chart"),
        Binding("p", "replay", "Replay", tooltip="Play the run back from its beginning"),
        Binding("f", "fork", "Fork", tooltip="Write a fork of the run from its last step"),
        Binding("d,delete", "delete", "Delete", tooltip="Delete the run's folder; asks"),
        Binding("u", "unmark", "Unmark all", tooltip="Take all marks away"),
        Binding("n", "demo", "Demo", tooltip="Begin a run of the demo"),
        Binding("question_mark,f1", "help", "Help", key_display="?", tooltip="All keys"),
        Binding("q", "leave", "Quit", tooltip="Leave glov; runs go on"),
        Binding("escape", "clear_query", "All runs", show=False, tooltip="End the filter"),
        *LiveTableApp.LIVE_KEYS,
    ]

    def __init__(
        self,
        memory: HomeMemory,
        *,
        terminal: Terminal | None = None,
        kib_per_second: float = 12.0,
        screen_name: str = "",
    ) -> None:
        """``screen_name``: what other screens of a run see of this one."""
        super().__init__(terminal, kib_per_second)
        self.memory, self.screen_name = memory, screen_name
        self._seen = memory.listing
        self._rows: list[ListedRun] = []
        self._keys: list[str] = []
        self._rows_of: object = None  # what the rows were made of
        self._full: list[str] = []  # names of the rows
        self._names: list[str] = []  # the same, as they tell them apart in so many cells:
        self._names_of: int | None = None
        self._is_led = memory.selected is not None  # a person, or who shows home, led the cursor
        self._was_whole = False  # all runs were read when they were drawn last
        self._bindings_of: object = None

    def compose(self) -> ComposeResult:
        """Status line, filter, table or a text where it is empty, details, keys."""
        yield Static(id="runs-status", markup=False)
        field = QueryInput(
            self.memory.query.text,
            placeholder="words, state:running data:dtd model:clip best>80 age<1d, - before: not",
            compact=True,
        )
        field.display = bool(self.memory.query.text)
        yield field
        yield Static(id="query-problem", markup=False)
        table = HomeTable("|" if self._glyphs is ASCII else "▌")
        table.id = "runs"
        table.border_title = "runs"
        yield table
        yield Static(id="empty", markup=False)
        yield Static(id="details", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Say what could not be opened; what was seen before is there at once."""
        if self.memory.theme:
            self.theme = self.memory.theme
        if self.memory.said:
            self.notify(clean(self.memory.said, True), severity="error", timeout=15)
            self.memory.said = ""
        self._set_height(self.size.height)
        self.call_after_refresh(self.draw_again)

    def look(self) -> Iterator[Listing]:
        """The runs folder."""
        return self.memory.look()

    def exit(self, *given: object, **named: object) -> None:
        """Leave; where the cursor is, is remembered."""
        run = self.selected
        self.memory.selected = run.folder if run is not None else self.memory.selected
        self.memory.theme = self.theme
        super().exit(*given, **named)

    # -- drawing -----------------------------------------------------------------------------

    def draw(self, seen: Listing) -> None:
        """Show the runs that the query asks for."""
        memory = self.memory
        now = int(time.time()) if memory.query.is_timed else 0
        made_of = (seen, memory.query, memory.order, now)
        if self._rows_of != made_of:
            self._rows_of = made_of
            self._rows = memory.rows(seen)
            self._keys = [str(run.folder) for run in self._rows]
            self._full = [clean(run.name) for run in self._rows]
            self._names_of = None
        rows, width = self._rows, self.size.width
        marked = self.count_marked = len(memory.marked_runs(seen))
        query = memory.query.text.strip()
        status = status_line(seen, rows, memory.order, query, marked, width, self._glyphs)
        self.query_one("#runs-status", Static).update(content(status), layout=False)
        is_empty = not rows and not seen.unread
        self.screen_stack[0].set_class(is_empty, "-empty")
        if is_empty:
            problem = seen.problem
            lines = [((clean(problem), "bad"),)] if problem else empty_lines(query)
            text = Content("\n").join(content(line) for line in lines)
            self.query_one("#empty", Static).update(text, layout=False)
        self._draw_rows()
        self._draw_details()

    def _draw_rows(self) -> None:
        rows, memory = self._rows, self.memory
        table = self.query_one(RowTable)
        longest = max(map(cell_len, self._full), default=0)
        live = any(run.is_under_way for run in rows)
        columns = HomeColumns.fitting(table.line_width, longest, live)
        if self._names_of != columns.name:
            self._names_of = columns.name
            self._names = told_apart(self._full, columns.name)
        best, names = best_of(rows), self._names
        cursor = self._wanted_row(table)
        self._was_whole = self.seen is not None and not self.seen.unread
        table.set_rows(
            header(columns),
            self._keys,
            lambda at: row_line(
                rows[at],
                columns,
                self._glyphs,
                rows[at].folder in memory.marked,
                rows[at] is best,
                names[at],
            ),
            cursor,
        )

    def _wanted_row(self, table: RowTable) -> int:
        """Where the cursor goes: to the run that is wanted, once it is there, else it stays."""
        wanted = self.memory.selected
        if wanted is not None and str(wanted) in self._keys:
            self.memory.selected = None
            return self._keys.index(str(wanted))
        if not self._was_whole and not self._is_led:
            return 0  # runs that are read later come in above
        key = table.selected_key
        return self._keys.index(key) if key in self._keys else table.cursor

    @on(RowTable.RowSelected)
    def _has_chosen(self) -> None:
        """A person has moved the cursor: nothing else moves it any more."""
        self.memory.selected, self._is_led = None, True

    def _draw_details(self) -> None:
        run = self.selected
        lines = detail_lines(run, self._glyphs, max(20, self.size.width - 2))
        if self.screen_stack[0].has_class("-short"):
            lines = lines[2:]
        text = Content("\n").join(content(list(line)) for line in lines)
        self.query_one("#details", Static).update(text, layout=False)
        bindings_of = (run and (run.status, run.folder), self.count_marked)
        if bindings_of != self._bindings_of:
            self._bindings_of = bindings_of
            self.refresh_bindings()

    @property
    def selected(self) -> ListedRun | None:
        """The run under the cursor."""
        if not self.is_whole():
            return None
        key = self.screen_stack[0].query_one(RowTable).selected_key
        return next((run for run in self._rows if str(run.folder) == key), None)

    def on_resize(self, event: Resize) -> None:
        """Other columns fit; the app itself learns of its size after this."""
        self._set_height(event.size.height)

    def _set_height(self, height: int) -> None:
        self.screen_stack[0].set_class(height < SHORT, "-short")

    # -- the filter --------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type what is looked for."""
        field = self.query_one(QueryInput)
        field.display = True
        self.screen.set_focus(field)

    def action_clear_query(self) -> None:
        """Show all runs again."""
        field = self.query_one(QueryInput)
        field.value = ""
        self._set_query(RunQuery())
        self.action_to_table()

    def action_to_table(self) -> None:
        """Leave the filter as it is."""
        field = self.query_one(QueryInput)
        field.display = bool(field.value.strip())
        self.query_one(RowTable).focus()

    @on(Input.Submitted, "QueryInput")
    def _query_done(self) -> None:
        self.action_to_table()

    @on(Input.Blurred, "QueryInput")
    def _query_left(self, event: Input.Blurred) -> None:
        """What is typed no longer is meant as it stands."""
        if self.is_whole() and self.memory.query.text == event.value:
            with contextlib.suppress(ConfigError):
                self._set_query(parse_query(event.value))

    @on(Input.Changed, "QueryInput")
    def _query_typed(self, event: Input.Changed) -> None:
        try:
            query = self._as_typed(event.value)
        except ConfigError as error:  # the rows stay as they are while it is typed
            self._say_wrong(str(error))
        else:
            self._set_query(query)

    def _as_typed(self, text: str) -> RunQuery:
        """The query, but for a last word that may become ``best>80`` and matches nothing as yet.

        Raises:
            ConfigError: saying which part of it is wrong.
        """
        query, rest = parse_query(text), without_unfinished(text)
        runs = self.seen.runs if self.seen is not None else ()
        is_typed = self.screen.focused is self.query_one(QueryInput)
        if rest is None or not is_typed or any(map(query.holds, runs)):
            return query
        return replace(parse_query(rest), text=text)

    def _set_query(self, query: RunQuery) -> None:
        self._say_wrong("")
        if query != self.memory.query:
            self.memory.query = query
            self.draw_again()

    def _say_wrong(self, problem: str) -> None:
        line = self.query_one("#query-problem", Static)
        line.set_class(bool(problem), "-shown")
        line.update(clean(problem))

    def action_order(self) -> None:
        """The next order."""
        self.memory.order = ORDERS[(ORDERS.index(self.memory.order) + 1) % len(ORDERS)]
        self.memory.keep()
        self.notify(f"Sorted by {_ORDER_WORDS[self.memory.order]}.", timeout=2)
        self.draw_again()

    # -- marks -------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark the run under the cursor, or no longer, and go to the next."""
        run = self.selected
        if run is not None:
            self.memory.toggle(run.folder)
            self.screen_stack[0].query_one(RowTable).action_move(1)
            self.draw_again()

    def action_unmark(self) -> None:
        """Take all marks away."""
        self.memory.marked.clear()
        self.memory.keep()
        self.draw_again()

    def chosen(self) -> list[ListedRun]:
        """The marked runs, else the one under the cursor."""
        marked = self.memory.marked_runs(self.memory.listing or Listing())
        run = self.selected
        return marked or ([run] if run is not None else [])

    def action_help(self) -> None:
        """Show all keys."""
        from glov_tui.cockpit.runs.chart import ChartScreen, LogTable
        from glov_tui.cockpit.runs.comparison import ComparisonScreen
        from glov_tui.cockpit.screens.fork import ForkScreen
        from glov_tui.cockpit.screens.help import HelpScreen, keys_of
        from glov_tui.cockpit.screens.question import QuestionScreen

        kinds = {
            "runs": (HomeApp, HomeTable, RowTable),
            "filter": (QueryInput,),
            "chart": (ChartScreen, LogTable),
            "comparison": (ComparisonScreen,),
            "fork, questions": (ForkScreen, QuestionScreen),
            "help": (HelpScreen,),
        }
        self.clear_notifications()
        self.push_once(HelpScreen(keys_of(kinds), self._glyphs))


_ORDER_WORDS = {
    "newest": "what was written last",
    "best": "few-shot accuracy",
    "name": "name",
}

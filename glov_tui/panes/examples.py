"""The ranked templates of the run, with their accuracy, where they come from and their marks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable, Input

from engine.history import ScoredTemplate
from engine.state import RunState
from glov_tui.glyphs import Glyphs
from glov_tui.text import clean


@dataclass(frozen=True, slots=True)
class Row:
    """One template as the table shows it; ``climbed`` is its change of rank since a step ago."""

    rank: int
    template: ScoredTemplate
    climbed: int | None  # None: new in the last step


SORTS: dict[str, Callable[[Row], Any]] = {
    "rank": lambda row: row.rank,
    "newest": lambda row: (-row.template.first.step, row.rank),
    "origin": lambda row: (row.template.origin != "human", row.template.origin, row.rank),
    "template": lambda row: row.template.key,
}


class ExamplesPane(Vertical):
    """A table of all distinct templates: sort, filter, and open one for its details."""

    TITLE: ClassVar[str] = "templates"
    INTERVAL: ClassVar[float] = 0.5
    WIDE = 74  # cells from which the interval and the origin have columns of their own

    @dataclass
    class DetailsRequested(Message):
        """Enter or a click on a row: ``key`` is the template's."""

        key: str

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort", show=False, tooltip="Sort by rank, newest, origin or text"),
        Binding("escape", "end_filter", "All", show=False),
    ]
    DEFAULT_CSS = """
    ExamplesPane {
        Input { display: none; height: 1; border: none; padding: 0; margin: 0; }
        &.-filtering Input { display: block; }
        DataTable { height: 1fr; scrollbar-size: 0 0; background: transparent; }
    }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="examples")
        self.border_title = self.TITLE
        self._glyphs = glyphs
        self._sort = "rank"
        self._filter = ""
        self._state = RunState()

    def compose(self) -> ComposeResult:
        """The filter's input, shown while filtering, over the table."""
        yield Input(placeholder="filter: words, llm, human, pinned, banned", compact=True)
        yield DataTable(cursor_type="row", cell_padding=0, zebra_stripes=False)

    @property
    def table(self) -> DataTable[Text]:
        """The table."""
        return self.query_one(DataTable)

    @property
    def selected_key(self) -> str | None:
        """The key of the template under the cursor."""
        if not self.table.row_count:
            return None
        row = self.table.coordinate_to_cell_key(self.table.cursor_coordinate).row_key
        return row.value

    def fingerprint(self, state: RunState) -> Hashable:
        """The table changes when a template is scored, an anchor moves, or a mark is set."""
        marks = (state.pinned, state.banned, state.anchors, state.pending)
        return len(state.templates), state.steps_done, marks

    def show(self, state: RunState) -> None:
        """Draw the table anew, with the cursor on the template it was on."""
        self._state = state
        self._draw()

    def on_resize(self) -> None:
        """Other columns fit now."""
        self._draw()

    def _draw(self) -> None:
        table = self.table
        # The cursor stays with its template once a person has moved it, and on top before that.
        selected = self.selected_key if table.cursor_row > 0 else None
        rows = self._rows()
        wide = self.size.width >= self.WIDE
        table.clear(columns=True)
        for label, width in self._columns(wide):
            table.add_column(label, width=width)
        marks = self._state.with_pending()
        for row in rows:
            table.add_row(*self._cells(row, marks, wide), key=row.template.key)
        keys = [row.template.key for row in rows]
        if selected in keys:
            table.move_cursor(row=keys.index(selected))
        sort = "" if self._sort == "rank" else f" by {self._sort}"
        total = len(self._state.templates)
        shown = f"{len(rows)} of {total}" if self._filter else f"{total}"
        self.border_title = f"{self.TITLE}: {shown}{sort}"

    def _columns(self, wide: bool) -> list[tuple[str, int]]:
        named = [("#", 4), ("acc. ", 6)]
        if wide:
            named += [("95 %", 9)]
        named += [("chg", 4), ("step", 5)]
        if wide:
            named += [("from", 6)]
        named += [("", 5)]
        used = sum(width for _, width in named)
        return [*named, ("template", max(20, self.size.width - used - 2))]

    def _cells(self, row: Row, marks: RunState, wide: bool) -> list[Text]:
        t = row.template
        low, high = t.interval
        cells = [Text(f"{row.rank:>3} "), Text(f"{t.accuracy:>5.1%} ")]
        if wide:
            cells.append(Text(f"{100 * low:>3.0f}-{100 * high:<3.0f}", style="dim"))
        cells += [self._change(row), Text(f"{t.first.step:>4} ", style="dim")]
        if wide:
            cells.append(Text(f"{t.origin} ", style="bold" if t.origin == "human" else "dim"))
        cells.append(self._marks(t, marks, wide))
        style = "strike dim" if t.key in marks.banned else ""
        cells.append(Text(clean(t.text), style=style, no_wrap=True, overflow="ellipsis"))
        return cells

    def _change(self, row: Row) -> Text:
        if row.climbed is None:
            return Text("new ", style="bold")
        if row.climbed == 0:
            return Text("  - ", style="dim")
        glyph = self._glyphs.up if row.climbed > 0 else self._glyphs.down
        return Text(f"{glyph}{abs(row.climbed):<3}")

    def _marks(self, t: ScoredTemplate, marks: RunState, wide: bool) -> Text:
        text = ""
        if marks.anchors and t.key in marks.anchors:
            text += "P+" if t.key == marks.anchors[0] else "P-"
        if t.key in marks.pinned:
            text += self._glyphs.pinned
        if t.key in marks.banned:
            text += self._glyphs.banned
        if not wide and t.origin == "human":
            text += "h"
        return Text(f"{text:<4} ", style="bold")

    def _rows(self) -> list[Row]:
        last = self._state.steps_done
        before = [t for t in self._state.ranking if t.first.step < last]
        old = {t.key: i for i, t in enumerate(before, 1)}
        rows = []
        for rank, t in enumerate(self._state.ranking, 1):
            climbed = old[t.key] - rank if t.key in old else (0 if last == 0 else None)
            rows.append(Row(rank, t, climbed))
        words = self._filter.casefold().split()
        rows = [row for row in rows if all(self._matches(row.template, w) for w in words)]
        return sorted(rows, key=SORTS[self._sort])

    def _matches(self, t: ScoredTemplate, word: str) -> bool:
        if word in ("pinned", "banned"):
            return t.key in getattr(self._state.with_pending(), word)
        return word == t.origin or word in t.text.casefold()

    def action_sort(self) -> None:
        """Sort by the next criterion."""
        names = list(SORTS)
        self._sort = names[(names.index(self._sort) + 1) % len(names)]
        self._draw()

    def start_filter(self) -> None:
        """Show the filter and type into it."""
        self.add_class("-filtering")
        self.query_one(Input).focus()

    def action_end_filter(self) -> None:
        """Show all templates again."""
        self.remove_class("-filtering")
        self.query_one(Input).value = ""
        self.table.focus()

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter = event.value
        self._draw()

    @on(Input.Submitted)
    def _filter_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.table.focus()

    @on(DataTable.RowSelected)
    def _row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.row_key.value is not None:
            self.post_message(self.DetailsRequested(event.row_key.value))

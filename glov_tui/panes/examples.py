"""The ranked templates of the run, with their accuracy, where they come from and their marks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from engine.history import ScoredTemplate
from engine.state import RunState
from glov_tui.glyphs import Glyphs
from glov_tui.text import clean
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line, Span


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
        yield RowTable()

    @property
    def table(self) -> RowTable:
        """The table."""
        return self.query_one(RowTable)

    @property
    def selected_key(self) -> str | None:
        """The key of the template under the cursor."""
        return self.table.selected_key

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
        selected = self.selected_key if table.cursor > 0 else None
        rows = self._rows()
        keys = [row.template.key for row in rows]
        wide = self.size.width >= self.WIDE
        marks = self._state.with_pending()
        table.set_rows(
            self._header(wide),
            keys,
            lambda index: self._line(rows[index], marks, wide),
            keys.index(selected) if selected in keys else 0,
        )
        sort = "" if self._sort == "rank" else f" by {self._sort}"
        total = len(self._state.templates)
        shown = f"{len(rows)} of {total}" if self._filter else f"{total}"
        self.border_title = f"{self.TITLE}: {shown}{sort}"

    def _header(self, wide: bool) -> Line:
        interval, origin = ("95 %     ", "from  ") if wide else ("", "")
        return ((f"#   acc.  {interval}chg step {origin}     template", ""),)

    def _line(self, row: Row, marks: RunState, wide: bool) -> Line:
        t = row.template
        spans: list[Span] = [(f"{row.rank:>3} {t.accuracy:>5.1%} ", "")]
        if wide:
            low, high = t.interval
            spans.append((f"{100 * low:>3.0f}-{100 * high:<5.0f}", "dim"))
        spans += [self._change(row), (f"{t.first.step:>4} ", "dim")]
        if wide:
            spans.append((f"{t.origin:<6}", "strong" if t.origin == "human" else "dim"))
        spans.append((self._marks(t, marks, wide), "strong"))
        spans.append((clean(t.text), "struck" if t.key in marks.banned else ""))
        return tuple(spans)

    def _change(self, row: Row) -> Span:
        if row.climbed is None:
            return "new ", "strong"
        if row.climbed == 0:
            return "  - ", "dim"
        glyph = self._glyphs.up if row.climbed > 0 else self._glyphs.down
        return f"{glyph}{abs(row.climbed):<3}", ""

    def _marks(self, t: ScoredTemplate, marks: RunState, wide: bool) -> str:
        text = ""
        if marks.anchors and t.key in marks.anchors:
            text += "P+" if t.key == marks.anchors[0] else "P-"
        if t.key in marks.pinned:
            text += self._glyphs.pinned
        if t.key in marks.banned:
            text += self._glyphs.banned
        if not wide and t.origin == "human":
            text += "h"
        return f"{text:<4} "

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

    @on(RowTable.RowChosen)
    def _row_chosen(self, event: RowTable.RowChosen) -> None:
        event.stop()
        self.post_message(self.DetailsRequested(event.key))

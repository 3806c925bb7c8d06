"""The ranked templates of the run, with their accuracy, where they come from and their marks."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.panes.folding import folded, from_word, shared_prefix
from glov_tui.cockpit.panes.pane import DetailsRequested
from glov_tui.cockpit.panes.ranked import SORTS, Ranked, Row
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.widgets.finding import FOUND, pattern_of
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line, Span

NONE_YET = "Templates are ranked here once they are scored."
NONE_FOUND = "No template has these words: escape shows all."
KEYS_HINT = "y copy  enter open"
FIRST_ROWS = 200
"""So many decide which columns there are."""


class ExamplesPane(Vertical):
    """A table of all distinct templates: sort, filter, and open one for its details."""

    TITLE: ClassVar[str] = "templates"
    INTERVAL: ClassVar[float] = 0.5
    WIDE = 74  # cells from which the interval and the origin have columns of their own
    SURE = 64  # cells from which the mean probability of the true class has one, where it is known
    SURE_CELLS = 10  # that the others need more then, so that the template keeps its room
    NARROW = 50  # cells below which the change of rank has none
    TOP = 3  # ranks that stay in view
    TALL = 7  # rows of the pane from which the selected template stands in full below the list

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort", show=False, tooltip="Sort by rank, newest, origin or text"),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the template (OSC 52)"),
        Binding("escape", "end_filter", "All", show=False),
    ]
    DEFAULT_CSS = """
    ExamplesPane {
        Input { display: none; height: 1; border: none; padding: 0; margin: 0; }
        &.-filtering Input { display: block; }
        #selected {
            height: auto; min-height: 2; max-height: 6; padding: 0 1; background: $boost;
        }
    }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="examples")
        self.border_title = self.TITLE
        self._glyphs = glyphs
        self._sort = "rank"
        self._filter = ""
        self._state = RunState()
        self._prefix = ""
        self._shows_probability = False

    def compose(self) -> ComposeResult:
        """The table and the selected template; the filter's input comes with the first filter."""
        yield RowTable(self._glyphs.changed)
        yield Static("", id="selected", markup=False)

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
        return state.scored.scores, state.steps_done, marks, state.notes, len(state.tests)

    def show(self, state: RunState) -> None:
        """Draw the table anew, with the cursor on the template it was on."""
        self._state = state
        self._draw()

    def on_resize(self) -> None:
        """Other columns fit now."""
        self.query_one("#selected").display = self.size.height >= self.TALL
        self._draw()

    def _draw(self) -> None:
        table = self.table
        # The cursor stays with its template once a person has moved it, and on top before that.
        selected = self.selected_key if table.cursor > 0 else None
        rows = self._rows()
        keys = rows.keys if isinstance(rows, Ranked) else [row.template.key for row in rows]
        marks = self._state.with_pending()
        self._prefix = shared_prefix(clean(row.template.text) for row in rows)
        if any(pattern_of(word).search(self._prefix) for word in self._filter.split()):
            self._prefix = ""  # what is found is not folded away
        known = any(row.template.probability is not None for row in rows[:FIRST_ROWS])
        self._shows_probability = known and self.size.width >= self.SURE
        table.set_empty(NONE_FOUND if self._filter else NONE_YET)
        table.set_rows(
            self._header(),
            keys,
            lambda index: self._line(rows[index], marks),
            keys.index(selected) if selected is not None and selected in keys else 0,
            self.TOP if self._sort == "rank" and not self._filter else 0,
        )
        self._show_title()
        self._show_selected()

    def _show_title(self) -> None:
        """How many there are; while they are filtered, which of those found is selected."""
        table, total = self.table, len(self._state.scored)
        self.border_subtitle = KEYS_HINT if total else ""
        found = len(table.keys)
        at = f"{table.cursor + 1 if found else 0}/{found} of {total}"
        sort = "" if self._sort == "rank" else f" by {self._sort}"
        title = f"{self.TITLE}: {at if self._filter else total}{sort}"
        if self._prefix:
            title += f' "{self._prefix}…"'
        self.border_title = title.replace("[", "\\[")

    def _show_selected(self) -> None:
        """The selected template in full, or as much of it as leaves room for the list.

        The rows below it move only where it needs others.
        """
        template = self._state.find(self.selected_key) if self.selected_key else None
        text = clean(template.text) if template is not None else ""
        view = self.query_one("#selected", Static)
        width = max(1, self.size.width - 4)
        most = min(6, max(2, self.size.height // 3))
        if len(Content(text).wrap(width)) > most:
            text = folded(text, self._prefix)
        rows = [str(row).rstrip() for row in Content(text).wrap(width)]
        if len(rows) > most:
            text = "\n".join([*rows[: most - 1], cut(f"{rows[most - 1]}…", width)])
        if view.content != text:
            view.update(text, layout=min(most, max(2, len(rows))) != view.size.height)

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= self.WIDE + self.SURE_CELLS * self._shows_probability

    @property
    def _is_narrow(self) -> bool:
        return self.size.width < self.NARROW

    @property
    def _rank_width(self) -> int:
        return max(2, len(str(len(self._state.scored))))

    def _header(self) -> Line:
        interval, origin = ("95 %     ", "from  ") if self._is_wide else ("", "")
        probability = " prob. " if self._shows_probability else ""
        change = "" if self._is_narrow else "chg "
        return (
            (
                f"{'#':>{self._rank_width}}   acc. {interval}{probability}{change}step {origin}"
                "     template",
                "",
            ),
        )

    def _line(self, row: Row, marks: RunState) -> Line:
        t, wide = row.template, self._is_wide
        seed = self._state.seed
        gains = seed is not None and t.at_least > seed.at_least
        spans: list[Span] = [
            (f"{row.rank:>{self._rank_width}} ", ""),
            (f"{100 * t.accuracy:>5.1f}% ", "good" if gains else ""),
        ]
        if wide:
            low, high = t.interval
            spans.append((f"{100 * low:>3.0f}-{100 * high:<5.0f}", "dim"))
        if self._shows_probability:
            share = "-" if t.probability is None else f"{100 * t.probability:.1f}%"
            spans.append((f"{share:>6} ", "dim"))
        if not self._is_narrow:
            spans.append(self._change(row))
        spans.append((f"{t.first.step:>4} ", "dim"))
        if wide:
            spans.append((f"{t.origin:<6}", "strong" if t.origin == "human" else "dim"))
        spans.append((self._marks(t, marks, wide), "strong"))
        asked = marks.tested(t.text)
        if asked is not None and asked.subject == "asked":
            spans.append((f"T{100 * asked.hits / asked.n:.1f} ", "note"))
        if marks.is_partial(t):
            spans.append((f"{t.hits}/{t.n} ", "dim"))
        room = self.table.line_width - sum(cell_len(text) for text, _ in spans)
        text = folded(clean(t.text), self._prefix)
        spans += self._found(text, room, "struck" if t.key in marks.banned else "")
        return tuple(spans)

    def _found(self, text: str, room: int, style: str) -> list[Span]:
        """The text with what the filter found in it marked, and the first of it in view."""
        words = [word for word in self._filter.split() if pattern_of(word).search(text)]
        if not words:
            return [(text, style)]
        has_case = [re.escape(w) if w != w.lower() else f"(?i:{re.escape(w)})" for w in words]
        pattern = re.compile(f"({'|'.join(has_case)})")
        found = pattern.search(text)
        if found is not None and cell_len(text[: found.end()]) >= room:  # the cut takes a cell
            text = from_word(text, found.start())
        parts = pattern.split(text)
        return [(part, FOUND if i % 2 else style) for i, part in enumerate(parts) if part]

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
        if any(note.template == t.key for note in marks.notes):
            text += self._glyphs.noted
        if not wide and t.origin == "human":
            text += "h"
        return f"{text:<4} "

    def _rows(self) -> Sequence[Row]:
        ranked, words = Ranked(self._state), self._filter.split()
        if self._sort == "rank" and not words:
            return ranked
        rows = [row for row in ranked if all(self._matches(row.template, w) for w in words)]
        return sorted(rows, key=SORTS[self._sort])

    def _matches(self, t: ScoredTemplate, word: str) -> bool:
        if word == "noted":
            return any(note.template == t.key for note in self._state.notes)
        if word in ("pinned", "banned"):
            return t.key in getattr(self._state.with_pending(), word)
        return word == t.origin or pattern_of(word).search(t.text) is not None

    def action_sort(self) -> None:
        """Sort by the next criterion."""
        names = list(SORTS)
        self._sort = names[(names.index(self._sort) + 1) % len(names)]
        self._draw()

    @property
    def is_filtered(self) -> bool:
        """Whether the filter is shown."""
        return self.has_class("-filtering")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape is the filter's only while there is one."""
        return action != "end_filter" or self.is_filtered

    def next_row(self, by: int) -> None:
        """Select the next of the rows, or the one before; behind the last is the first."""
        rows = len(self.table.keys)
        if rows:
            self.table.action_move_to((self.table.cursor + by) % rows)

    def start_filter(self) -> None:
        """Show the filter and type into it."""
        self.add_class("-filtering")
        if not self.query(Input):
            hint = "filter: words, llm, human, pinned, banned, noted"
            self.mount(Input(placeholder=hint, compact=True), before=0)
        self.query_one(Input).focus()

    def action_end_filter(self) -> None:
        """Show all templates again."""
        self.remove_class("-filtering")
        for field in self.query(Input):
            field.value = ""
        self.table.focus()
        self.app.refresh_bindings()

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter = event.value
        self._draw()

    @on(Input.Submitted)
    def _filter_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.table.focus()

    def action_copy(self) -> None:
        """Copy the selected template to the terminal's clipboard."""
        template = self._state.find(self.selected_key) if self.selected_key else None
        if template is not None:
            self.app.copy_to_clipboard(template.text)
            self.notify("Copied (if the terminal takes OSC 52).", timeout=3)

    @on(RowTable.RowSelected)
    def _row_selected(self, event: RowTable.RowSelected) -> None:
        event.stop()
        self._show_selected()
        if self._filter:
            self._show_title()

    @on(RowTable.RowChosen)
    def _row_chosen(self, event: RowTable.RowChosen) -> None:
        event.stop()
        self.post_message(DetailsRequested(event.key))

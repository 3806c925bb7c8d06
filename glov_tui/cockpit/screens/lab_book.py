"""All notes of a run, to be read, changed and taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from engine.run.notes import Note, Notes
from engine.run.state import RunState
from glov_tui.cockpit.note_lines import note_in_full, when
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.cockpit.screens.question import QuestionScreen
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

LOOK_SECONDS = 0.25


class LabBookScreen(Dialog[None]):
    """The list, the newest note first, and the one under the cursor in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("a", "add", "New note"),
        Binding("e", "change", "Change", tooltip="Change its text"),
        Binding("d", "take_away", "Take away", tooltip="Take the note away"),
    ]
    DEFAULT_CSS = """
    LabBookScreen { align: center middle; }
    LabBookScreen > Vertical {
        width: 90%; max-width: 130; height: 85%; border: round $accent;
        padding: 0 1; background: $surface;
        RowTable { height: 1fr; }
        TextView { height: 40%; border-top: solid $foreground 35%; }
    }
    """

    def __init__(
        self,
        state: Callable[[], RunState],
        glyphs: Glyphs,
        add: Callable[[], None],
        change: Callable[[Note], None],
        take_away: Callable[[Note], None],
    ) -> None:
        """``state`` is looked at while this is open; the others do what the keys say."""
        super().__init__()
        self._state = state
        self._glyphs = glyphs
        self._add, self._change, self._take_away = add, change, take_away
        self._shown: Notes | None = None

    def compose(self) -> ComposeResult:
        """The list over the text."""
        with Vertical() as box:
            box.border_title = "lab book"
            yield RowTable(self._glyphs.changed)
            yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what there is, and what comes."""
        for table in self.query(RowTable):  # none while the app closes
            table.focus()
        self.call_after_refresh(self._look)
        self.set_interval(LOOK_SECONDS, self._look)

    def on_resize(self) -> None:
        """Other columns fit."""
        self._shown = None

    def _look(self) -> None:
        notes = self._state().notes
        if notes == self._shown or not self.query(RowTable):
            return
        self._shown = notes
        newest = notes[::-1]
        table = self.query_one(RowTable)
        before = table.selected_key
        keys = [str(note.number) for note in newest]
        wide = table.line_width >= 80
        dated = "when              who          " if wide else ""
        header: Line = ((f"{'#':>3}  {dated}{'on':<10}note", ""),)
        at = keys.index(before) if before in keys else min(table.cursor, max(0, len(keys) - 1))
        table.set_rows(header, keys, lambda i: _row(newest[i], wide), at)
        self._show_text()

    @on(RowTable.RowSelected)
    def _show_text(self) -> None:
        note = self._selected
        view = self.query_one(TextView)
        if note is None:
            view.set_lines([(("No note yet: a writes one, also while the run goes on.", "dim"),)])
            return
        view.set_lines(note_in_full(note, self._state()))

    @property
    def _selected(self) -> Note | None:
        key = self.query_one(RowTable).selected_key
        return next((note for note in self._shown or () if str(note.number) == key), None)

    @on(RowTable.RowChosen)
    def action_change(self) -> None:
        """Change the text of the note under the cursor."""
        if self._selected is not None:
            self._change(self._selected)

    def action_add(self) -> None:
        """Write another note."""
        self._add()

    def action_take_away(self) -> None:
        """Take the note under the cursor away; asks first."""
        note = self._selected
        if note is None:
            return

        def answered(answer: str | None) -> None:
            if answer == "y":
                self._take_away(note)

        question = f"Take note {note.number} away? It stays in the journal, and is shown nowhere."
        self.app.push_screen(
            QuestionScreen("lab book", question, {"n": "No", "y": "Take away"}), answered
        )


def _row(note: Note, wide: bool) -> Line:
    first = clean(note.first_line)
    line: Line = ((f"{note.number:>3}  ", "dim"),)
    if wide:
        author = clean(note.author)[:12]
        line = (*line, (f"{when(note.time):<18}", "dim"), (f"{author:<13}", "dim"))
    on = "template" if note.template is not None else clean(note.about).removeprefix("the ")
    return (*line, (f"{on[:9]:<10}", "strong"), (first, ""))

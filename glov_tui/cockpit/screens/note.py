"""Writing a note: what it is on, and its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Label, TextArea

from engine.common.wording import counted
from engine.run.commands import WriteNote
from engine.run.notes import Note
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.cockpit.screens.question import ask_to_drop
from glov_tui.common.text import clean
from glov_tui.widgets.fields import Choice
from glov_tui.widgets.key_bar import KeyBar

Left = Literal["written", "list"] | None
"""How the dialog was left: a note was written, all notes are wanted, or nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a note can be on."""

    name: str  # a word or two
    about: str = ""  # a template's text; untrusted
    step: int | None = None
    template: str | None = None
    notes: int = 0  # that are on it already


class NoteScreen(Dialog[Left]):
    """A text of one or more lines. Closed only once the note is written, or the text is dropped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True, tooltip="Write the note and close"),
        Binding("escape", "cancel", "Cancel", tooltip="Close without a note"),
        Binding("f4", "external", "$EDITOR", priority=True, tooltip="Write it in $EDITOR"),
        Binding("f2", "list", "All notes", priority=True, tooltip="The notes there are"),
    ]
    DEFAULT_CSS = """
    NoteScreen { align: center middle; }
    NoteScreen > Vertical {
        width: 90%; max-width: 100; height: auto; max-height: 90%;
        border: round $accent; padding: 0 1; background: $surface;
        Horizontal { height: 1; }
        .word { width: 4; }
        Choice { width: 20; }
        #about { color: $text-muted; height: auto; max-height: 3; width: 1fr; }
        TextArea, TextArea:focus { height: 8; border: none; padding: 0; }
    }
    """

    def __init__(
        self,
        targets: Sequence[Target],
        author: str,
        write: Callable[[WriteNote], bool],
        edit_externally: Callable[[str], str | None],
        note: Note | None = None,
    ) -> None:
        """
        Args:
            targets: what a note can be on, the likeliest first; of a ``note`` that is changed the
                one that it is on.
            author: who writes.
            write: has it written; says so to the person, and returns false, where it can't be.
            edit_externally: edits a text in the user's own editor.
            note: that is changed; None: it is a new one.
        """
        super().__init__()
        self._targets = {target.name: target for target in targets}
        self._author, self._write, self._note = author, write, note
        self._edit_externally = edit_externally
        self._original = clean(note.text, keep_newlines=True) if note is not None else ""

    def compose(self) -> ComposeResult:
        """What it is on, and the text."""
        names = list(self._targets)
        with Vertical() as box:
            box.border_title = "note" if self._note is None else f"note {self._note.number}"
            with Horizontal():
                yield Label("on", classes="word")
                yield Choice(names, names[0])
            yield Label("", id="about", markup=False)
            yield TextArea(self._original, soft_wrap=True, tab_behavior="focus")
        yield KeyBar()

    def on_mount(self) -> None:
        """What is typed at once is text."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()
        self._say()

    @property
    def _target(self) -> Target:
        return self._targets[self.query_one(Choice).value]

    @on(Choice.Changed)
    def _say(self) -> None:
        target = self._target
        parts = [clean(target.about)] if target.about else []
        if target.notes and self._note is None:
            parts.append(f"({counted(target.notes, 'note')} on it: f2)")
        about = self.query_one("#about", Label)
        about.update(" ".join(parts))
        about.display = bool(parts)

    def action_save(self) -> None:
        """Write the note."""
        text = self.query_one(TextArea).text.strip()
        if not text:
            self.notify("The note is empty: write something, or leave with esc.", timeout=4)
            return
        if self._note is not None and text == self._original.strip():
            self.dismiss(None)
            return
        target = self._target
        try:
            command = WriteNote(
                text=text,
                number=self._note.number if self._note is not None else 0,
                step=target.step,
                template=target.template,
                author=self._author,
            )
        except ValueError:
            self.notify(
                f"A note has at most 8,000 characters, and this one {len(text):,}.",
                severity="warning",
                timeout=6,
            )
            return
        if self._write(command):
            self.dismiss("written")

    def action_external(self) -> None:
        """Write it in $EDITOR."""
        area = self.query_one(TextArea)
        text = self._edit_externally(area.text)
        if text is not None:
            area.load_text(text)

    def action_list(self) -> None:
        """Show all notes in its place."""
        self._leave("list")

    def action_cancel(self) -> None:
        """Close; asks first if text that was typed would be lost."""
        self._leave(None)

    def _leave(self, how: Left) -> None:
        if self.query_one(TextArea).text.strip() in ("", self._original.strip()):
            self.dismiss(how)
            return

        ask_to_drop(self.app, lambda: self.dismiss(how))

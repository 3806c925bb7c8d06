"""The lab book in the cockpit: notes on the selected template, on a step and on the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.common.errors import UserError
from engine.common.ownership import login_name
from engine.prompts.template import normalise
from engine.remote.client import RemoteSession
from engine.run.commands import WriteNote
from engine.run.notes import Note
from engine.run.state import RunState
from engine.session.replay import ReplaySession
from glov_tui.cockpit.exporting import ExportActions
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean

if TYPE_CHECKING:
    from glov_tui.cockpit.screens.note import Left, Target

RELOAD_SECONDS = 0.3  # for the engine to have journaled a note that a look at the past is to show


class NoteActions(ExportActions):
    """Any screen may note something, and on a run that has ended too."""

    def action_note(self) -> None:
        """Write a note on the selected template, the step that is shown, or the run."""
        from glov_tui.cockpit.screens.note import NoteScreen

        state = self.shown
        if not state.run:  # it has not begun
            return

        def left(how: Left) -> None:
            if how == "list":
                self.action_lab_book()

        targets = _targets(state, self._selected())
        self._open(NoteScreen(targets, login_name(), self._write_note, self._edit_externally), left)

    def action_lab_book(self) -> None:
        """Show all notes."""
        from glov_tui.cockpit.screens.lab_book import LabBookScreen

        glyphs = ASCII if self.ascii_only else UNICODE
        self._open(
            LabBookScreen(
                lambda: self.shown, glyphs, self.action_note, self._change_note, self._take_away
            )
        )

    def _change_note(self, note: Note) -> None:
        from glov_tui.cockpit.screens.note import NoteScreen, Target

        state = self.shown
        found = state.find(note.template) if note.template is not None else None
        name = "the run" if note.step is None else f"step {note.step}"
        on = (
            Target(name, step=note.step)
            if note.template is None
            else Target("template", found.text if found else note.template, None, note.template)
        )
        author = login_name()
        self._open(NoteScreen([on], author, self._write_note, self._edit_externally, note))

    def _take_away(self, note: Note) -> None:
        self._write_note(WriteNote(text="", number=note.number, author=login_name()))

    def _write_note(self, command: WriteNote) -> bool:
        """Have it journaled by the engine, or here where there is none; says so if it can't be."""
        session = self.session
        if command.number and all(note.number != command.number for note in session.state.notes):
            if not command.text:  # it is away
                return True
            self.notify(f"Note {command.number} was taken away meanwhile: this is a new one.")
            command = command.model_copy(update={"number": 0})
        if not session.ended:
            ExportActions._send(self, command)  # whoever has the controls
            if self.past is not None:
                self.set_timer(RELOAD_SECONDS, self._reload_past)
            return True
        from engine.remote.noting import write_note

        try:
            made = write_note(session.folder, command, "a note")
        except UserError as error:
            self.notify(clean(str(error)), severity="error", timeout=10)
            return False
        if isinstance(session, RemoteSession):
            session.take_in(made)
        self._reload_past()
        return True

    def _reload_past(self) -> None:
        past = self.past
        if past is None:
            return
        at_end = past.at_end
        try:
            past.reload()
        except UserError as error:
            self.notify(clean(str(error)), severity="error")
            return
        if at_end and isinstance(self.session, ReplaySession):
            past.go_to_end()
        self._repaint(self.shown, by_user=True)


def _targets(state: RunState, selected: str | None) -> list[Target]:
    """What a note can be on now, the likeliest first."""
    from glov_tui.cockpit.screens.note import Target

    found = state.find(selected) if selected is not None else None
    counts: dict[object, int] = {}
    for note in state.notes:
        on = note.template if note.template is not None else note.step
        counts[on] = counts.get(on, 0) + 1
    targets = []
    if found is not None:
        key = normalise(found.text)
        targets.append(Target("template", found.text, None, key, counts.get(key, 0)))
    step = state.step
    targets.append(Target(f"step {step}", "", step, None, counts.get(step, 0)))
    targets.append(Target("the run", "", None, None, counts.get(None, 0)))
    return targets

"""Whether a note can be written, and the fact that it is."""

from __future__ import annotations

from engine.run import events as ev
from engine.run.commands import WriteNote
from engine.run.state import RunState


def note_problem(state: RunState, command: WriteNote) -> str | None:
    """Why a note can't be written; None if it can."""
    if command.number:
        known = any(note.number == command.number for note in state.notes)
        return None if known else f"there is no note {command.number}"
    if not command.text.strip():
        return "the note is empty"
    if command.template is not None and state.find(command.template) is None:
        return f"no such template: {command.template}"
    if command.step is not None and command.step > state.step:
        return f"there is no step {command.step} yet; the last one is {state.step}"
    return None


def noted(state: RunState, command: WriteNote) -> ev.Noted:
    """The fact of a command that has no ``note_problem``."""
    old = next((note for note in state.notes if note.number == command.number), None)
    return ev.Noted(
        number=command.number or state.notes_made + 1,
        text=command.text.strip(),
        step=command.step if old is None else old.step,
        template=command.template if old is None else old.template,
        author=command.author,
    )

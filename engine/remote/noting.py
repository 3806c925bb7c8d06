"""A note on a run, wherever that is: its engine journals it, or this process if there is none."""

from __future__ import annotations

from pathlib import Path

from engine.common.errors import JournalError
from engine.remote.driver import Driver
from engine.run import events as ev
from engine.run.commands import WriteNote
from engine.storage.journal import is_driven
from engine.storage.noting import note_at_rest

SECONDS = 20.0


def write_note(
    folder: Path, command: WriteNote, name: str, seconds: float | None = SECONDS
) -> ev.Noted:
    """Have a note journaled; ``name`` is what other screens see meanwhile.

    Raises:
        UserError: if it can't be, or the engine does not answer in so many ``seconds``.
    """
    if not is_driven(folder):
        return note_at_rest(folder, command)
    try:
        with Driver(folder, name, seconds=seconds, watches=True) as driver:
            event = driver.do(command)
    except JournalError:
        if is_driven(folder):
            raise
        return note_at_rest(folder, command)  # its engine has just ended
    if not isinstance(event, ev.Noted):
        raise JournalError(f"{folder}: the note was not taken")
    return event

"""Notes that were sent in the moment when the engine ended: they are written all the same.

An engine that ends obeys nothing more, and what has come for it by then is in nobody's journal. A
note can be written without one, so none is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from engine.common.errors import UserError
from engine.run import events as ev
from engine.run.commands import WriteNote
from engine.run.state import RunState
from engine.storage.journal import is_driven
from engine.storage.noting import note_at_rest


class SentNotes:
    """What a screen has sent of notes. Any thread may add one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: list[tuple[WriteNote, int]] = []  # with how many notes there were then

    def add(self, command: WriteNote, state: RunState) -> None:
        """A note is sent; ``state`` is what was known of the run before."""
        with self._lock:
            self._sent.append((command, state.notes_made))

    def heard(self, warned: ev.Warned, state: RunState) -> None:
        """Where the engine has refused a note, it is the first that is not in ``state``."""
        if warned.refuses == "write-note":
            with self._lock:
                self._sent = self._missing(state)[1:]

    def write(self, folder: Path, state: RunState) -> Iterator[ev.Event]:
        """Write those that are not in ``state``, where no engine is there any more to do it.

        Yields the facts, or why one can't be written.
        """
        with self._lock:
            missing, self._sent = self._missing(state), []
        for command, _ in missing:
            try:
                if is_driven(folder):
                    return
                yield note_at_rest(folder, command)
            except UserError as error:
                yield ev.Warned(message=str(error), refuses=command.kind)

    def _missing(self, state: RunState) -> list[tuple[WriteNote, int]]:
        return [(note, before) for note, before in self._sent if not _is_there(note, before, state)]


def _is_there(command: WriteNote, before: int, state: RunState) -> bool:
    text = command.text.strip()
    if command.number:
        texts = {note.number: note.text for note in state.notes}
        return texts.get(command.number, "") == text
    on = (command.step, command.template)
    return any(
        note.number > before and note.text == text and (note.step, note.template) == on
        for note in state.notes
    )

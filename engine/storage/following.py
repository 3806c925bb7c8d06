"""The state of a run that another process drives, here or on another host, from its journal alone.

What is appended is folded as it comes: the cost of a look is that of what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.ownership import why_denied
from engine.run.events import JOURNAL_VERSION, Event
from engine.run.state import RunState
from engine.storage.journal import journal_states, read_journal
from engine.storage.journal_lines import Damage, parse_lines, unsealed, whole_lines
from engine.storage.journal_versions import check_head, read_lines
from engine.storage.run_folder import EVENTS

Told = Callable[[Event, RunState], None]


class JournalFollower:
    """Follows one journal. One thread at a time."""

    def __init__(self, folder: Path, told: Told | None = None) -> None:
        """``told`` gets each fact with the state after it, the first one again where the journal is
        another one.
        """
        self._told = told
        self.state = RunState()  # as of the last look
        self.last_event = 0.0  # Unix time in seconds
        self._folder = folder
        self._path = folder / EVENTS
        self._inode = 0
        self._offset = 0  # bytes that are folded
        self._seen = 0  # bytes that were there at the last look
        self._crc = 0  # of the last line that is folded
        self._facts = 0
        self._problem: Exception | None = None  # with what was there at the last look

    def look(self) -> bool:
        """Fold what was appended; whether there was anything.

        Raises:
            JournalError: if the journal can't be read, is damaged or of an unknown version.
        """
        try:
            with self._path.open("rb") as file:
                found = self._path.stat()
                if found.st_ino != self._inode or found.st_size < self._offset:  # another file
                    self.state = RunState()
                    self._inode, self._offset = found.st_ino, 0
                    self._seen = self._crc = self._facts = 0
                    self._problem = None
                if found.st_size == self._seen:
                    if self._problem is not None:
                        raise self._problem.with_traceback(None)
                    return False
                file.seek(self._offset)
                data = file.read()
        except OSError as error:
            reason = why_denied(error, self._path)
            raise JournalError(f"{self._path} can't be read: {reason}") from error
        self._seen = self._offset + len(data)
        lines, torn_bytes = whole_lines(data)
        self._problem = None
        try:
            return bool(lines) and self._fold(lines, len(data) - torn_bytes)
        except Exception as error:
            self._problem = error
            raise

    def _fold(self, lines: list[bytes], size: int) -> bool:
        if self._offset == 0:
            version, found = read_lines(self._path, lines)
            if version != JOURNAL_VERSION:  # it is rewritten once it is taken up
                self._tell_all()
                self.last_event = self._path.stat().st_mtime
                return True
        else:
            found = parse_lines(lines, self._crc)
        state = self.state
        for event in found:
            self._facts += 1
            where = f"{self._path}, line {self._facts}"
            if isinstance(event, Damage):
                raise JournalError(f"{where} is damaged: {event.what}")
            if self._facts == 1:
                check_head(self._path, event)
            try:
                state = state.apply(event)
            except Exception as error:  # a journal may hold anything: others can have written it
                what = str(error) or type(error).__name__
                raise JournalError(f"{where}: {event.kind} can't be here: {what!r}") from None
            self.last_event = event.time
            if self._told is not None:
                self._told(event, state)
        self.state = state
        self._offset += size
        self._crc = unsealed(lines[-1])[1] or 0
        return True

    def _tell_all(self) -> None:
        """Fold a journal of an earlier version as a whole."""
        events = read_journal(self._folder).events
        for event, state in zip(events, journal_states(self._folder, events), strict=True):
            self.state = state
            if self._told is not None:
                self._told(event, state)

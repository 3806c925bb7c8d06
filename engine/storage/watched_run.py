"""How a run is, looked at again and again from its folder alone: whoever drives it, on any host.

A run that is at work is followed as its journal grows; of one that is not, only the size and the
time of its journal are looked at, and its summary is read once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.ownership import why_denied
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.storage.following import JournalFollower
from engine.storage.journal import is_begun, is_driven
from engine.storage.lock import Owner, read_owner
from engine.storage.run_folder import EVENTS, run_argument
from engine.storage.run_status import RunStatus
from engine.storage.summary import RunSummary, read_summary, summarise


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run at one moment. Its texts are untrusted: clean before showing."""

    status: RunStatus | None = None  # None: it is not begun
    is_there: bool = True  # whether there is a journal, begun or not
    owner: Owner | None = None  # the process that drives it, or did
    summary: RunSummary | None = None  # None where it is not begun, or damaged
    state: RunState | None = None  # of a run that is under way
    problem: str | None = None  # why it failed, or what is wrong with its journal


GONE = SeenRun(is_there=False)


class WatchedRun:
    """Looks at a run. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = GONE
        self._journal: os.stat_result | None = None  # as it was at the last look
        self._follower: JournalFollower | None = None  # while it is under way

    def look(self) -> SeenRun:
        """The run as it is now; the same object as before where nothing has changed.

        Never raises: a journal that can't be read is a damaged run, and says why.
        """
        try:
            found = (self.folder / EVENTS).stat()
        except (FileNotFoundError, NotADirectoryError):
            return self._now(GONE)
        except OSError as error:
            reason = why_denied(error, self.folder / EVENTS)
            return self._now(_damaged(f"{self.folder / EVENTS} can't be read: {reason}"))
        is_known = self._journal is not None and _mark(found) == _mark(self._journal)
        if is_known and self._seen.status in (*ENDED, "damaged"):
            return self._seen
        self._journal = found
        try:
            return self._now(self._looked(found, is_known))
        except JournalError as error:
            return self._now(_damaged(str(error)))
        except Exception as error:  # whatever is wrong with one run, the others are shown
            what = str(error) or type(error).__name__
            name = run_argument(self.folder)
            return self._now(
                _damaged(f"{self.folder} can't be read: {what}. `glov check {name}` may say more")
            )

    def _now(self, seen: SeenRun) -> SeenRun:
        if seen.state is None:
            self._follower = None  # its state is large, and of no use any more
        if seen.state is not None or seen != self._seen:
            self._seen = seen
        return self._seen

    def _looked(self, journal: os.stat_result, is_known: bool) -> SeenRun:
        owner = read_owner(self.folder)
        lives = _lives(self.folder, owner, is_known)
        if self._follower is None:
            if not lives and is_known and self._seen.summary is not None:
                return self._at_rest(self._seen.summary, owner)
            if not is_begun(self.folder):
                return SeenRun(owner=owner, problem=None if lives else self._why_new())
            if not lives:
                return self._at_rest(read_summary(self.folder), owner)
            self._follower = JournalFollower(self.folder)
        self._follower.look()
        state = self._follower.state
        if not lives or state.status in ENDED:
            return self._at_rest(read_summary(self.folder), owner)
        before = self._seen
        if before.state is state and before.owner == owner:
            return before
        return SeenRun(
            status="paused" if state.status == "paused" else "running",
            owner=owner,
            summary=summarise(state, self._follower.last_event, journal),
            state=state,
        )

    def _why_new(self) -> str | None:
        try:
            read_summary(self.folder)
        except JournalError as error:
            return str(error)
        return None  # it was begun just now

    def _at_rest(self, summary: RunSummary, owner: Owner | None) -> SeenRun:
        """A run that nobody drives, or that has ended."""
        status: RunStatus = "interrupted"
        if summary.status in ("finished", "failed", "stopped"):
            status = summary.status
        return SeenRun(status, owner=owner, summary=summary, problem=summary.problem)


def _mark(journal: os.stat_result) -> tuple[int, int, int]:
    """What tells that a journal was written since."""
    return journal.st_ino, journal.st_size, journal.st_mtime_ns


def _damaged(problem: str) -> SeenRun:
    return SeenRun("damaged", problem=problem)


def _lives(folder: Path, owner: Owner | None, is_known: bool) -> bool:
    """Whether a process drives a run: see ``is_driven``.

    A run that was at rest and names nobody is at rest: its lock is not looked at again.
    """
    return not (owner is None and is_known) and is_driven(folder)

"""How all runs of a sweep are, read from its folder alone: whatever drives them, on any host.

A run that is at work is followed as its journal grows; one that has ended is read once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.common.errors import JournalError
from engine.run.state import RunState
from engine.storage.following import JournalFollower
from engine.storage.journal import is_begun
from engine.storage.journal import is_driven as is_run_driven
from engine.storage.lock import Owner, read_owner
from engine.storage.run_folder import EVENTS
from engine.storage.run_status import RunStatus
from engine.storage.summary import RunSummary, read_summary
from engine.sweeps.backend import Job
from engine.sweeps.driving import is_driven as is_sweep_driven
from engine.sweeps.sweep import read_sweep

TrialStatus = RunStatus | Literal["waiting", "new"]
"""``waiting``: not begun, and the sweep is at work; ``new``: not begun, and nobody is."""

UNDER_WAY: frozenset[TrialStatus] = frozenset(("running", "paused"))


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One run. Its texts are untrusted: clean before showing."""

    name: str
    folder: Path
    steps: int  # planned
    status: TrialStatus = "new"
    owner: Owner | None = None  # the process that drives it, or did
    done: int = 0  # steps
    best: float | None = None  # few-shot accuracy, 0 to 1
    test: float | None = None  # of the ensemble, else of the best
    problem: str | None = None
    state: RunState | None = None  # of a run that is under way

    @property
    def is_here(self) -> bool:
        """Whether the process that drives it is on this host, so that it can be attached to."""
        return self.owner is not None and self.owner.host == socket.gethostname()


@dataclass(frozen=True, slots=True)
class FleetState:
    """A sweep at one moment. Never changes."""

    folder: Path
    rows: tuple[TrialRow, ...]
    driver: Owner | None  # of the sweep, while it is at work

    def count(self, *statuses: TrialStatus) -> int:
        """How many runs are so."""
        return sum(row.status in statuses for row in self.rows)

    @property
    def steps_done(self) -> int:
        """Of all runs."""
        return sum(row.done for row in self.rows)

    @property
    def steps_left(self) -> int:
        """Of the runs that are under way or will be."""
        active = ("waiting", "running", "paused", "interrupted")
        return sum(max(0, row.steps - row.done) for row in self.rows if row.status in active)

    @property
    def best(self) -> TrialRow | None:
        """The first run with the highest few-shot accuracy."""
        known = [row for row in self.rows if row.best is not None]
        return max(known, key=lambda row: row.best or 0.0, default=None)


class Fleet:
    """Looks at a sweep, again and again. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Read what is planned.

        Raises:
            JournalError: if there is no sweep, or its plan can't be read.
        """
        self._folder = folder
        self._trials = [_Trial(job) for job in read_sweep(folder).jobs]
        self.names: Sequence[str] = [trial.job.name for trial in self._trials]

    def look(self) -> FleetState:
        """The sweep as it is now."""
        driver = read_owner(self._folder) if is_sweep_driven(self._folder) else None
        rows = tuple(trial.look(driver is not None) for trial in self._trials)
        return FleetState(self._folder, rows, driver)


class _Trial:
    def __init__(self, job: Job) -> None:
        self.job = job
        self._row = TrialRow(job.name, job.folder, job.config.steps)
        self._follower: JournalFollower | None = None
        self._ended_at: tuple[int, int] | None = None  # the journal's size and time of change

    def look(self, swept: bool) -> TrialRow:
        """The run as it is now; ``swept``: a process is at work on the sweep."""
        try:
            self._row = self._looked(swept)
        except JournalError as error:
            self._row = TrialRow(
                self.job.name, self.job.folder, self.job.config.steps, "damaged", problem=str(error)
            )
        return self._row

    def _looked(self, swept: bool) -> TrialRow:
        folder, name, steps = self.job.folder, self.job.name, self.job.config.steps
        try:
            found = (folder / EVENTS).stat()
        except OSError:
            return TrialRow(name, folder, steps, "waiting" if swept else "new")
        journal = found.st_size, found.st_mtime_ns
        if journal == self._ended_at:
            return self._row
        if self._follower is None:
            if not is_begun(folder):
                return TrialRow(name, folder, steps, "waiting" if swept else "new")
            owner = read_owner(folder)
            if owner is None or not _lives(folder, owner):
                return self._at_rest(read_summary(folder), journal, owner)
            self._follower = JournalFollower(folder)
        self._follower.look()
        owner = read_owner(folder)
        if owner is None or not _lives(folder, owner):
            self._follower = None  # its state is large, and of no use any more
            return self._at_rest(read_summary(folder), journal, owner)
        state = self._follower.state
        return TrialRow(
            name,
            folder,
            state.config.steps if state.config is not None else steps,
            "paused" if state.status == "paused" else "running",
            owner,
            state.steps_done,
            state.best.accuracy if state.best is not None else None,
            state=state,
        )

    def _at_rest(
        self, summary: RunSummary, journal: tuple[int, int], owner: Owner | None
    ) -> TrialRow:
        """A run that nobody drives."""
        status: TrialStatus = "interrupted"
        if summary.status in ("finished", "failed", "stopped"):
            status = summary.status
            if (summary.journal_bytes, summary.journal_changed) == journal:
                self._ended_at = journal
        test = summary.ensemble_test_accuracy
        return TrialRow(
            self.job.name,
            self.job.folder,
            summary.planned,
            status,
            owner,
            summary.done,
            summary.train_accuracy,
            summary.best_test_accuracy if test is None else test,
            summary.problem,
        )


def _lives(folder: Path, owner: Owner) -> bool:
    """Whether the process that drives a run is alive; of another host it is believed."""
    if owner.host != socket.gethostname():
        return True
    return owner.pid == os.getpid() or is_run_driven(folder)

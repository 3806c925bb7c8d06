"""How all runs of a sweep are, read from its folder alone: whatever drives them, on any host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.run.state import RunState
from engine.storage.lock import Owner, read_owner
from engine.storage.run_status import RunStatus
from engine.storage.watched_run import WatchedRun
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
        return self.owner is not None and self.owner.is_here


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
        self._run = WatchedRun(job.folder)

    def look(self, swept: bool) -> TrialRow:
        """The run as it is now; ``swept``: a process is at work on the sweep."""
        seen, job = self._run.look(), self.job
        found = seen.summary
        if seen.status is None or found is None:
            status: TrialStatus = seen.status or ("waiting" if swept else "new")
            problem = seen.problem if seen.status is not None else None
            return TrialRow(job.name, job.folder, job.config.steps, status, problem=problem)
        test = found.ensemble_test_accuracy
        return TrialRow(
            job.name,
            job.folder,
            found.planned,
            seen.status,
            seen.owner,
            found.done,
            found.train_accuracy,
            found.best_test_accuracy if test is None else test,
            seen.problem,
            seen.state,
        )

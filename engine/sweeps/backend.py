"""What runs the jobs of a sweep: here, one after another, or wide on a cluster.

All that a back end leaves are the runs' journals, so that results are read from them alone, a sweep
goes on where it ended, and any of its runs can be resumed by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.run import events as ev
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.session.publishing import OnEvent
from engine.storage.journal import is_begun
from engine.storage.lock import Owner


@dataclass(frozen=True)
class Job:
    """A run to be made, or to be taken up where its journal ends."""

    name: str
    config: RunConfig
    folder: Path


@dataclass(frozen=True)
class FinishedJob:
    """How a job ended; its numbers are in its journal. ``error`` says why it failed."""

    job: Job
    status: Literal["finished", "failed", "stopped"]
    error: str | None = None


class Backend(Protocol):
    """Runs jobs, here or elsewhere. Jobs' folders are on disks that all can reach."""

    def run(self, jobs: Sequence[Job]) -> Iterator[FinishedJob]:
        """Run all jobs, in any order, and yield each as it ends. A failed one ends only itself.

        Raises:
            UserError: before any is begun, if none can be run.
        """
        ...

    def stop(self, name: str | None = None) -> None:
        """Stop the job of this name, or all, at the next safe point; returns at once.

        With all of them no other is started. May be called from a signal handler.
        """
        ...


OnJobEvent = Callable[[Job, ev.Event, RunState], None]
"""Takes an event of a job and the state after it, on the engine's thread; must return quickly."""

OnNews = Callable[[Job, str], None]
"""Takes a sentence on a job that a person should read; must return quickly."""


def open_job(
    job: Job, on_event: OnEvent | None, kept: Kept | None, gone: Owner | None = None
) -> LocalSession:
    """The session of a job, begun or taken up, for this process to drive with nobody watching.

    ``gone``: see ``LocalSession.resume``.

    Raises:
        UserError: if it can't be begun or taken up.
    """
    if is_begun(job.folder):
        session = LocalSession.resume(job.folder, on_event, kept, gone=gone)
    else:
        session = LocalSession.create(job.config, job.folder, on_event, kept)
    session.unattended = True
    return session


def ended(job: Job, state: RunState) -> FinishedJob:
    """How a job ended whose engine left this state."""
    if state.status in ("finished", "stopped"):
        return FinishedJob(job, "finished" if state.status == "finished" else "stopped")
    return FinishedJob(job, "failed", state.error or "the engine ended without a reason")

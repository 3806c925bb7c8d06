"""Jobs one after another in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from engine.common.errors import UserError
from engine.common.kept import Kept
from engine.remote.server import attachable
from engine.run import events as ev
from engine.run.commands import Stop
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.sweeps.backend import FinishedJob, Job, OnJobEvent, ended, open_job

POLL_SECONDS = 0.1


class LocalBackend:
    """Runs jobs one after another in this process, and loads each model once for all of them.

    Jobs with the same LLM, VLM and data are run next to each other, else in the order given.
    """

    def __init__(self, on_event: OnJobEvent | None = None, kept: Kept | None = None) -> None:
        """``on_event``: see there; ``kept`` has models that are loaded already."""
        self._on_event = on_event
        self._kept = kept
        self._session: LocalSession | None = None
        self._name = ""  # of the job under way
        self._stopping = False
        self._unwanted: set[str] = set()

    def run(self, jobs: Sequence[Job]) -> Iterator[FinishedJob]:
        """Run all jobs; see ``Backend``."""
        kept = self._kept or Kept()
        for job in _by_models(jobs):
            if self._stopping:
                return
            if job.name in self._unwanted:
                yield FinishedJob(job, "stopped")
                continue
            try:
                session = self._open(job, kept)
            except UserError as error:
                yield FinishedJob(job, "failed", str(error))
                continue
            self._name, self._session = job.name, session
            with attachable(session):
                session.start()
                if self._stopping or job.name in self._unwanted:  # since the check above
                    session.send(Stop())
                while not session.wait(POLL_SECONDS):
                    pass
            self._session = None
            yield ended(job, session.state)

    def stop(self, name: str | None = None) -> None:
        """Stop; see ``Backend``."""
        if name is None:
            self._stopping = True
        else:
            self._unwanted.add(name)
        session = self._session
        if session is not None and name in (None, self._name):
            session.send(Stop())

    def _open(self, job: Job, kept: Kept) -> LocalSession:
        def on_event(event: ev.Event, state: RunState) -> None:
            if self._on_event is not None:
                self._on_event(job, event, state)

        return open_job(job, on_event, kept)


def _by_models(jobs: Sequence[Job]) -> list[Job]:
    seen: list[BaseModel] = []

    def rank(section: BaseModel) -> int:
        if section not in seen:
            seen.append(section)
        return seen.index(section)

    return sorted(jobs, key=lambda j: tuple(map(rank, (j.config.llm, j.config.vlm, j.config.data))))

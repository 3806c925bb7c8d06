"""A trial: one job of a sweep, as a process on a node of the cluster drives it.

It is an ordinary run: its journal, socket and owner are in its folder. What else is printed there
goes to the run's log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from engine.common.errors import UserError
from engine.common.files import make_folder, open_private
from engine.common.kept import Kept
from engine.common.stop_signals import ENGINE_THREAD
from engine.models import threads
from engine.remote.server import attachable
from engine.run.commands import Stop
from engine.session.local import LocalSession
from engine.storage.journal import is_begun, is_driven
from engine.storage.lock import Owner
from engine.storage.run_folder import LOG
from engine.sweeps.backend import Job, ended, open_job

POLL_SECONDS = 0.1
HELD_SECONDS = 60.0  # for a process whose driver was lost to let go of a run

_kept = Kept()  # of this process, which may be given another trial


@dataclass(frozen=True)
class Trial:
    """A job as it is sent to a node."""

    job: Job  # its folder absolute
    has_gpu: bool  # or a share of one
    token: Path  # a file that every node sees
    token_text: str
    gone: Owner | None = None  # the process that drove it before and is dead


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended. ``preempted``: its process was told to end, and not by the sweep."""

    status: Literal["finished", "failed", "stopped", "preempted"]
    host: str
    error: str | None = None


def run_trial(trial: Trial) -> TrialEnd:
    """Drive a trial to its end, on the main thread of a process of the cluster."""
    host = socket.gethostname()
    try:
        _check_shared(trial)
        if not trial.has_gpu:  # before torch is imported: others have them
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        threads.prepare()
        with _told() as told, _printing_to(trial.job.folder):
            _wait_until_free(trial.job.folder, trial.gone)
            session = open_job(trial.job, None, _kept, trial.gone)
            told.session = session
            with attachable(session):
                session.start()
                told.pass_on()  # what it was told since
                while not session.wait(POLL_SECONDS):
                    pass
    except UserError as error:
        return TrialEnd("failed", host, str(error))
    _leave_where_still_at_work()
    end = ended(trial.job, session.state)
    if end.status == "stopped" and told.number == signal.SIGTERM:
        return TrialEnd("preempted", host)
    return TrialEnd(end.status, host, end.error)


def _leave_where_still_at_work() -> None:
    """End a process whose engine was given up while it loads: it can't be given another trial."""
    if any(thread.name == ENGINE_THREAD for thread in threading.enumerate()):
        os._exit(1)


class _Told:
    """A signal that asks this process to end: SIGINT where the sweep stops, else SIGTERM."""

    number: int | None = None
    session: LocalSession | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self.pass_on()
        signal.signal(number, signal.SIG_DFL)  # the second one means it

    def pass_on(self) -> None:
        """Tell the session, if there is one and it is to stop."""
        if self.session is not None and self.number is not None:
            self.session.send(Stop())


@contextlib.contextmanager
def _told() -> Iterator[_Told]:
    told = _Told()
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, told) for number in wanted}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_shared(trial: Trial) -> None:
    """See that this node has the sweep's folder, and not one of its own by the same name."""
    try:
        seen = trial.token.read_text()
    except OSError:
        seen = ""
    if seen != trial.token_text:
        raise UserError(
            f"{socket.gethostname()} can't see {trial.token.parent}: the folder of a sweep must be "
            "on a file system that all nodes share, under the same path"
        )


def _wait_until_free(folder: Path, gone: Owner | None) -> None:
    """Wait for a process that is about to end to let go of the run; what is held is refused."""
    end = time.monotonic() + HELD_SECONDS
    while is_begun(folder) and is_driven(folder, gone) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _printing_to(folder: Path) -> Iterator[None]:
    """Have all that is printed in this process go to the log of a run."""
    try:
        make_folder(folder, 0o700)
        log = open_private(folder / LOG)
    except OSError:  # that it can't be written is for the journal to say
        yield
        return
    kept = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    try:
        for descriptor, _ in kept:
            os.dup2(log, descriptor)
        yield
    finally:
        for descriptor, before in kept:
            with contextlib.suppress(OSError, ValueError):
                (sys.stdout, sys.stderr)[descriptor - 1].flush()
            os.dup2(before, descriptor)
            os.close(before)
        os.close(log)

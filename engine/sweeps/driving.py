"""Who drives a sweep: one process, found by the lock and owner file that runs have as well.

Others ask it to stop by a file in the sweep's folder, which reaches it from every host that shares
the folder.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.files import make_folder, open_private
from engine.common.ownership import why_denied
from engine.storage import lock
from engine.storage.lock import OWNER
from engine.storage.run_folder import run_argument

LOCK = "sweep.lock"
REQUESTS = "requests"
ALL = ".all"  # no run's folder begins with a dot
LOOK_SECONDS = 0.2
STOP_SECONDS = 120.0  # for all runs to come to a safe point


@contextlib.contextmanager
def driving(folder: Path, stop: Callable[[str | None], None]) -> Iterator[None]:
    """Be the one process that drives the sweep in ``folder``, while the context is entered.

    ``stop`` is called on a thread of this module's with the name of a run that is to stop, or None
    for all of them.

    Raises:
        JournalError: if another process does, or the folder can't be written.
    """
    try:
        descriptor = open_private(folder / LOCK)
    except OSError as error:
        reason = why_denied(error, folder / LOCK)
        raise JournalError(f"{folder / LOCK} can't be written: {reason}") from error
    try:
        _refuse_where_driven(folder)
        requests = folder / REQUESTS
        # Left by others. What comes from here on is for this process, and obeyed: others may see
        # that it has the lock before it is named, where a process that died still is.
        left = _asked(requests)
        lock.take(folder, descriptor, prepare=lambda: _clear(requests, left))
        ended = threading.Event()
        watch = threading.Thread(
            target=_watch, args=(requests, stop, ended), name="glov-requests", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()
            _clear(requests, _asked(requests))
            lock.give_back(folder)
    finally:
        os.close(descriptor)


def _refuse_where_driven(folder: Path) -> None:
    owner = lock.read_owner(folder)
    if owner is not None and is_driven(folder):
        name = run_argument(folder)
        else_delete = "" if owner.is_here else f". If it is dead there, delete {folder / OWNER}"
        raise JournalError(
            f"{folder}: {owner} is at work on this sweep: `glov attach {name}` shows it, `glov "
            f"stop {name}` ends it{else_delete}"
        )


def is_driven(folder: Path) -> bool:
    """Whether a process drives the sweep; of another host it is believed until it says else."""
    owner = lock.read_owner(folder)
    if owner is None or not owner.is_here:
        return owner is not None
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:  # another user's: the lock can't be asked, its process can
        return lock.owner_lives(folder)
    except OSError:
        return False
    try:
        return lock.is_taken(folder, descriptor)
    finally:
        os.close(descriptor)


def ask_to_stop(folder: Path, name: str | None = None) -> None:
    """Ask whoever drives a sweep to stop one of its runs, or all; returns at once.

    Raises:
        JournalError: if nobody drives it, or the folder can't be written.
    """
    if not is_driven(folder):
        raise JournalError(
            f"{folder}: no `glov sweep` is at work on it; the same command with this --sweep-dir "
            "goes on"
        )
    path = folder / REQUESTS / (name or ALL)
    try:
        make_folder(path.parent, 0o700)
        path.touch(mode=0o600)
    except OSError as error:
        owner = lock.read_owner(folder)
        said = f"{path} can't be written: {why_denied(error, path)}"
        if owner is not None and name is None:
            said += f". `kill {owner.pid}` on {owner.host} has it stop as well"
        raise JournalError(said) from error


def stop_sweep(folder: Path, seconds: float = STOP_SECONDS) -> None:
    """Stop a sweep, and wait until it has.

    Raises:
        JournalError: as ``ask_to_stop``, or if it goes on.
    """
    owner = lock.read_owner(folder)
    ask_to_stop(folder)
    deadline = time.monotonic() + seconds
    while is_driven(folder):
        if time.monotonic() > deadline:
            raise JournalError(
                f"{folder}: {owner or 'its process'} was asked to stop and goes on after "
                f"{seconds:.0f} s. If it is dead on another host, delete {folder / OWNER}"
            )
        time.sleep(LOOK_SECONDS)


def _watch(requests: Path, stop: Callable[[str | None], None], ended: threading.Event) -> None:
    while not ended.wait(LOOK_SECONDS):
        for path in sorted(_asked(requests)):
            stop(None if path.name == ALL else path.name)
            with contextlib.suppress(OSError):
                path.unlink()


def _asked(requests: Path) -> dict[Path, int]:
    """What is asked for, and when it was, last."""
    found = {}
    with contextlib.suppress(OSError):  # nobody has asked yet
        for path in requests.iterdir():
            with contextlib.suppress(FileNotFoundError):  # it is obeyed
                found[path] = path.stat().st_mtime_ns
    return found


def _clear(requests: Path, left: Mapping[Path, int]) -> None:
    """Forget what was asked for, but for what was asked again since."""
    with contextlib.suppress(OSError):
        for path, asked in _asked(requests).items():
            if left.get(path) == asked:
                path.unlink(missing_ok=True)
        requests.rmdir()  # where nothing is left in it

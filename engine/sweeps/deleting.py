"""Deleting a run or a sweep: what would be lost, why it may not be, and the deletion itself.

Nothing outside the folder is touched: a link in it is removed, and what it leads to stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.ownership import user_name, why_denied
from engine.storage import lock
from engine.storage.journal import is_driven
from engine.storage.lock import OWNER, read_owner
from engine.storage.run_folder import (
    CONFIG,
    EVENTS,
    EXPORTS,
    LOG,
    PREDICTIONS,
    QUIET,
    SOCKET,
    SUMMARY,
    holds_run,
    run_argument,
)
from engine.sweeps import driving
from engine.sweeps.driving import LOCK, REQUESTS
from engine.sweeps.plan import SWEEP
from engine.sweeps.sweep import holds_run_or_sweep, is_sweep

_OF_GLOV = frozenset(
    (CONFIG, EVENTS, LOG, OWNER, PREDICTIONS, QUIET, SOCKET, SUMMARY, SWEEP, LOCK, REQUESTS)
)
_LAST = (EVENTS, SWEEP)
"""What makes a folder a run or a sweep is deleted last: one that is cut short can be done again."""

_EFFECTIVE = os.access in os.supports_effective_ids


@dataclass(frozen=True)
class Loss:
    """What a folder holds that is lost with it."""

    folder: Path
    runs: int  # journals
    files: int
    bytes: int
    exports: int  # files in it that were exported
    others: tuple[str, ...]  # names of what is there and not of glov; untrusted
    link: Path | None = None  # where the folder leads, if it is a link: only that is removed
    mark: tuple[int, ...] = ()  # which folder it is, and how far its journal


def what_is_lost(folder: Path) -> Loss:
    """What deleting this run or sweep takes with it.

    Raises:
        JournalError: if it may not be deleted now, and why: it is at work, of a sweep that is,
            somebody else's, or no run.
    """
    _check_may_be_deleted(folder)
    mark = _mark(folder)
    if folder.is_symlink():
        return Loss(folder, 0, 0, 0, 0, (), folder.resolve(), mark)
    runs = files = size = exports = 0
    others: list[str] = []
    runs_of_it = {run.name for run in _runs_in(folder)}
    for place, below, names in os.walk(folder):
        within = Path(place).relative_to(folder).parts
        below.sort()
        runs += EVENTS in names
        links = [name for name in below if (Path(place) / name).is_symlink()]
        files += len(names) + len(links)
        exports += len(names) * (EXPORTS in within)
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(place) / name).lstat().st_size
        if not within or (len(within) == 1 and within[0] in runs_of_it):
            known = _OF_GLOV | {EXPORTS} | (runs_of_it if not within else set())
            others += sorted({*names, *below} - known)
    return Loss(folder, runs, files, size, exports, tuple(others), mark=mark)


def delete(folder: Path, agreed: Loss | None = None) -> None:
    """Delete a run or a sweep; nobody can take it up meanwhile.

    ``agreed`` is what a person was told of: where the folder or its journal is another since, it
    stays.

    Raises:
        JournalError: as ``what_is_lost``, or if something of it can't be deleted: what could not
            be is left, and so is the journal where there is one.
    """
    _check_may_be_deleted(folder)
    if agreed is not None and agreed.mark != _mark(folder):
        raise JournalError(f"{folder} has changed since you were asked; it is not deleted")
    try:
        if folder.is_symlink():
            folder.unlink()
            return
        with contextlib.ExitStack() as held:
            for run in (folder, *_runs_in(folder)):
                held.enter_context(_held(run))
            _remove(folder)
    except OSError as error:
        path = Path(error.filename or folder)
        raise JournalError(
            f"{path} can't be deleted: {why_denied(error, path)}. What is left of {folder} is there"
        ) from error


def _mark(folder: Path) -> tuple[int, ...]:
    """What tells a folder, or a link, from another in its place, and from itself after more work.

    Raises:
        JournalError: if it can't be looked at.
    """
    try:
        found = folder.lstat()
        mark = [found.st_dev, found.st_ino]
        for run in () if folder.is_symlink() else (folder, *_runs_in(folder)):
            if holds_run(run):
                journal = (run / EVENTS).stat()
                mark += [journal.st_ino, journal.st_size]
    except OSError as error:
        raise JournalError(f"{folder} can't be read: {why_denied(error, folder)}") from error
    return tuple(mark)


def _check_may_be_deleted(folder: Path) -> None:
    try:
        found = folder.lstat()
        is_one = holds_run_or_sweep(folder)
    except OSError as error:
        raise JournalError(f"{folder} can't be read: {why_denied(error, folder)}") from error
    if not is_one:
        raise JournalError(f"{folder} is no run and no sweep; it is not deleted from here")
    if found.st_uid != os.geteuid():
        raise JournalError(f"{folder} belongs to {user_name(found.st_uid)}, who can delete it")
    name = run_argument(folder)
    for sweep in (folder, folder.resolve().parent):
        if is_sweep(sweep) and driving.is_driven(sweep):
            raise JournalError(
                f"{sweep}: {read_owner(sweep) or 'a process'} is at work on this sweep; "
                f"`glov stop {run_argument(sweep)}` ends it"
            )
    for run in (folder, *_runs_in(folder)):
        if holds_run(run) and is_driven(run):
            owner = read_owner(run)
            if owner is not None and not owner.is_here:
                raise JournalError(lock.refusal_from_afar(run, owner))
            raise JournalError(
                f"{run} is being driven by {owner or 'another process'}: `glov stop {name}` ends it"
            )
    try:
        _check_what_is_in(folder)
    except OSError as error:
        path = Path(error.filename or folder)
        raise JournalError(f"{folder} can't be deleted: {why_denied(error, path)}") from error


def _check_what_is_in(folder: Path) -> None:
    """See that no other run is in it, which may be at work, and that all of it can be deleted: a
    half of a run is of no use.

    Raises:
        JournalError: if there is another run.
        OSError: if something can't be looked at or deleted.
    """
    _check_writable(folder.parent)
    if folder.is_symlink():
        return
    its_own = {folder, *_runs_in(folder)}
    for place, _, names in os.walk(folder, onerror=_raise):
        path = Path(place)
        _check_writable(path)
        if path not in its_own and (EVENTS in names or SWEEP in names):
            raise JournalError(
                f"{folder} has another run in it, {path.relative_to(folder)}: delete that first, "
                "or move it elsewhere"
            )


def _check_writable(place: Path) -> None:
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def _raise(error: OSError) -> None:
    raise error


def _runs_in(folder: Path) -> list[Path]:
    """The runs of a sweep; links to others are none of it."""
    if folder.is_symlink() or not is_sweep(folder):
        return []
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False) and holds_run(Path(entry.path)):
                    found.append(Path(entry.path))
    return sorted(found)


@contextlib.contextmanager
def _held(run: Path) -> Iterator[None]:
    """Hold the lock of a run, so that no engine takes it up while it is deleted."""
    path = run / EVENTS
    if not path.is_file():
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            is_free = lock.lock(descriptor) or not lock.owner_lives(run)
        except OSError:
            is_free = False
        if not is_free:
            raise JournalError(f"{run} was taken up just now; it is not deleted")
        yield
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Delete a folder and all in it, what makes it a run last.

    Raises:
        OSError: if something can't be deleted.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: (entry.name in _LAST, entry.name))
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            Path(entry.path).unlink()
        elif (Path(entry.path) / EVENTS).is_file():
            _remove(Path(entry.path))
        else:
            shutil.rmtree(entry.path)  # follows no links
    folder.rmdir()

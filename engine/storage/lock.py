"""Who drives a run: one process, which holds a lock and is named in a file beside the journal.

The lock (``flock``) ends with its process, however that ends. The file says whom to stop, and
stands in where the lock can't tell: on file systems without locks, or shared with other hosts.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.files import read_small, write_atomic
from engine.storage.run_folder import SOCKET, run_argument

OWNER = "owner.json"

_LONGEST = 4096  # bytes of that file

_TRIES, _WAIT_SECONDS = 5, 0.01
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that drives a run."""

    pid: int
    host: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this host, which can be asked whether it lives."""
        return self.host == socket.gethostname()


def take(
    folder: Path,
    descriptor: int,
    gone: Owner | None = None,
    prepare: Callable[[], None] = lambda: None,
) -> Owner | None:
    """Become the one process that drives the run in ``folder``; ends with it or at ``give_back``.

    Args:
        folder: of the run.
        descriptor: of the open journal; it is locked.
        gone: a process that is known to be dead, of a host that can't be asked from here.
        prepare: called when no other process can drive the run, before this one is named.

    Returns:
        A process, of this host or ``gone``, that died without giving the run back, if one did.

    Raises:
        JournalError: if another process drives the run, or may do so on another host.
        OSError: if the folder can't be written.
    """
    try:
        held = lock(descriptor)
    except OSError:
        raise JournalError(refusal(folder, read_owner(folder))) from None
    owner, me = read_owner(folder), Owner(os.getpid(), socket.gethostname())
    is_other = owner is not None and owner not in (me, gone)
    if owner is not None and is_other and (not owner.is_here or (not held and lives(owner.pid))):
        raise JournalError(refusal(folder, owner))
    prepare()
    write_atomic(folder / OWNER, json.dumps({"pid": me.pid, "host": me.host}) + "\n")
    return None if owner == me else owner


def lock(descriptor: int) -> bool:
    """Lock an open journal; False where the file system has no locks.

    Raises:
        OSError: if another process holds it.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            if not tries_left:
                raise
        time.sleep(_WAIT_SECONDS)  # `is_taken` holds it for an instant
    return False


def refusal(folder: Path, owner: Owner | None) -> str:
    """Why a run can't be taken up that a live process drives, and what can be done."""
    if owner is not None and not owner.is_here:
        return refusal_from_afar(folder, owner)
    driven = f"{folder} is being driven by {owner or 'another process'}"
    if not os.path.lexists(folder / SOCKET):
        return f"{driven}, which can't be attached to: end that one first"
    name = run_argument(folder)
    return f"{driven}: `glov attach {name}` shows it, `glov stop {name}` ends it"


def refusal_from_afar(folder: Path, owner: Owner) -> str:
    """Why nothing can be done here to a run that a process of another host drives, and what can."""
    name = run_argument(folder)
    return (
        f"{folder} was taken up by {owner} and not given back. Only there can it be driven: `glov "
        f"stop {name}` and `glov ctl {name}` in a shell of that host; `glov attach {name}` here "
        f"follows its journal. If nothing runs there any more, delete {folder / OWNER} and try "
        "again"
    )


def is_taken(folder: Path, descriptor: int, gone: Owner | None = None) -> bool:
    """Whether a live process drives what is in ``folder``, whose journal or lock is open.

    One of another host is believed until it gives it back, unless it is ``gone``: not every file
    system shows its lock here. Where the file system has no locks, the process that is named as
    the owner tells.
    """
    owner = read_owner(folder)
    if owner is not None and not owner.is_here and owner != gone:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_LOCKS or owner_lives(folder)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def owner_lives(folder: Path) -> bool:
    """Whether the process of this host that is named as a run's owner is alive."""
    owner = read_owner(folder)
    return owner is not None and owner.is_here and lives(owner.pid)


def give_back(folder: Path) -> None:
    """Say that nobody drives the run any more; call it before the lock ends."""
    with contextlib.suppress(OSError):
        (folder / OWNER).unlink(missing_ok=True)


def read_owner(folder: Path) -> Owner | None:
    """Who drives the run in ``folder``, or did until it died; None where nobody is named."""
    try:
        found = json.loads(read_small(folder / OWNER, _LONGEST))
        pid, host = found["pid"], found["host"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(pid, int) or not 0 < pid < 2**31 or not isinstance(host, str):
        return None
    return Owner(pid, "".join(c for c in host if c.isprintable()))


def lives(pid: int) -> bool:
    """Whether a process of this host is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True

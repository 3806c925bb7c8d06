"""The socket of a run: where it is, who may connect to it, and what becomes of it.

It is ``control.sock`` in the run's folder, for its owner only. Where the folder's path is too long
for a socket, or its file system has none, that is a link to one in a folder for temporary files.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import tempfile
import time
from pathlib import Path

from engine.errors import JournalError
from engine.run_folder import SOCKET, run_argument

Mark = tuple[int, int, int]

_LONGEST_PATH = 100  # bytes; systems take 104 to 108
_ELSEWHERE = "glov-socket-"
_BACKLOG = 16
_AGAIN_SECONDS = 0.01


def listen(folder: Path) -> socket.socket:
    """Make the socket of a run, in place of one that a killed process left.

    Raises:
        JournalError: if there can be none.
    """
    remove(folder)
    place = folder.resolve() / SOCKET
    listener = socket.socket(socket.AF_UNIX)
    try:
        if not (_fits(place) and _bind(listener, place)):
            _bind_elsewhere(listener, place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        remove(folder)
        raise JournalError(
            f"{folder / SOCKET} can't be made: {error.strerror or error}. "
            f"`glov resume {run_argument(folder)} --headless` does without it; on another disk "
            "there may be one"
        ) from error
    return listener


def mark(folder: Path) -> Mark | None:
    """What tells the socket of a run from one that another process has made since."""
    try:
        found = (folder / SOCKET).lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def remove(folder: Path, known: Mark | None = None) -> None:
    """Remove the socket of a run, if it is there, and the one that is ``known``."""
    place = folder.resolve() / SOCKET
    if known is not None and mark(folder) != known:
        return
    with contextlib.suppress(OSError):
        if place.is_symlink():
            target = place.readlink()
            if target.parent.name.startswith(_ELSEWHERE):
                _remove_elsewhere(target)
    with contextlib.suppress(OSError):
        place.unlink(missing_ok=True)


def connect(folder: Path, seconds: float) -> socket.socket:
    """Connect to the engine of a run; ``seconds`` to wait for it in this and later calls.

    Raises:
        OSError: if nobody listens, or it belongs to another user.
    """
    place = folder.resolve() / SOCKET
    target = place.readlink() if place.is_symlink() else place
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        _wait_in_line(connection, str(target), seconds)
        if not same_user(connection):
            raise PermissionError("it belongs to another user")
    except BaseException:
        connection.close()
        raise
    return connection


def _wait_in_line(connection: socket.socket, target: str, seconds: float) -> None:
    """Connect, also where many do so: the system does not wait for a Unix socket's full queue."""
    end = time.monotonic() + seconds
    while True:
        try:
            return connection.connect(target)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
        time.sleep(_AGAIN_SECONDS)


def same_user(connection: socket.socket) -> bool:
    """Whether the other side's process is this user's; where the system tells it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the socket's mode is all there is
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return bool(struct.unpack("3i", credentials)[1] == os.geteuid())


def _fits(place: Path) -> bool:
    return len(os.fsencode(place)) <= _LONGEST_PATH


def _bind(listener: socket.socket, place: Path) -> bool:
    """Bind for this user only: nobody can connect before ``listen``."""
    try:
        listener.bind(str(place))
        place.chmod(0o600)
    except OSError:
        return False
    return True


def _bind_elsewhere(listener: socket.socket, place: Path) -> None:
    target = Path(tempfile.mkdtemp(prefix=_ELSEWHERE)) / SOCKET
    try:
        if not _bind(listener, target):
            raise OSError("no Unix sockets there, nor in the folder for temporary files")
        place.symlink_to(target)
    except OSError:
        _remove_elsewhere(target)
        raise


def _remove_elsewhere(target: Path) -> None:
    target.unlink(missing_ok=True)
    target.parent.rmdir()

"""The socket of a run: where it is, who may connect to it, and what becomes of it.

It is ``control.sock`` in the run's folder, for its owner only. Where the folder's path is too long
for a socket, or its file system has none, that is a link to one in a folder for temporary files.

A folder may be somebody else's, who put anything there. So nothing is used, and nothing but the
name itself removed, that is not this user's, of the right kind, and closed to others.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import tempfile
import time
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.ownership import user_name
from engine.storage.lock import read_owner, refusal_from_afar
from engine.storage.run_folder import SOCKET, run_argument

Mark = tuple[int, int, int]

_LONGEST_PATH = 100  # bytes; systems take 104 to 108
_ELSEWHERE = "glov-socket-"
_OTHERS = 0o077  # of a mode: what all but the owner may do
_BACKLOG = 16
_AGAIN_SECONDS = 0.01

NOT_YET = (FileNotFoundError, ConnectionRefusedError)
"""Of ``connect``, where an engine has taken its run up and does not listen yet; or has ended."""
BEGINS_SECONDS = 5.0
"""For an engine to come from the one to the other: it reads the journal between."""


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
    """Remove the socket of a run, if it is there, and the one that is ``known``.

    What is neither a socket nor a link stays.
    """
    place = folder.resolve() / SOCKET
    if known is not None and mark(folder) != known:
        return
    with contextlib.suppress(OSError):
        if place.is_symlink():
            with contextlib.suppress(OSError):
                _remove_elsewhere(_led_to(place))
            place.unlink()
        elif place.is_socket():
            place.unlink()


def connect(folder: Path, seconds: float) -> socket.socket:
    """Connect to the engine of a run; ``seconds`` to wait for it in this and later calls.

    Raises:
        OSError: if nobody listens, or it belongs to another user.
    """
    place = folder.resolve() / SOCKET
    target = _led_to(place) if place.is_symlink() else place
    found = target.lstat()
    if not stat.S_ISSOCK(found.st_mode):
        raise PermissionError(f"{place} is no socket")
    if found.st_uid != os.geteuid():
        raise PermissionError("it belongs to another user")
    if found.st_mode & _OTHERS:
        raise PermissionError(f"others can use {place}")
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


def why_out_of_reach(folder: Path) -> str | None:
    """Why a run under way can only be looked at from here, and what can be done; None where that
    is not known: its engine is on another host, or another user's.
    """
    owner = read_owner(folder)
    if owner is not None and not owner.is_here:
        return refusal_from_afar(folder, owner)
    try:
        user = (folder / SOCKET).lstat().st_uid
    except OSError:
        return None
    if user == os.geteuid():
        return None
    name = user_name(user)
    return (
        f"{folder} is being driven by {owner or 'a process'} for {name}, who alone can drive and "
        f"stop it. `glov attach {run_argument(folder)}` follows its journal; a fork of it is yours"
    )


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
    peer = _peer(connection)
    return peer is None or peer[1] == os.geteuid()  # None: the socket's mode is all there is


def peer_process(connection: socket.socket) -> int | None:
    """The process at the other side, of this user; None where the system does not tell it."""
    peer = _peer(connection)
    if peer is None or peer[0] <= 0 or peer[1] != os.geteuid():  # 0: in another container
        return None
    return peer[0]


def _peer(connection: socket.socket) -> tuple[int, int] | None:
    """Process and user at the other side, as the system has seen them when it began to listen."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    process, user, _ = struct.unpack("3i", credentials)
    return process, user


def _fits(place: Path) -> bool:
    return len(os.fsencode(place)) <= _LONGEST_PATH


def _bind(listener: socket.socket, place: Path) -> bool:
    """Bind for this user only: nobody can connect before ``listen``."""
    try:
        listener.bind(str(place))
        if not place.is_symlink():
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


def _led_to(place: Path) -> Path:
    """The socket that a link of this module's leads to.

    Raises:
        OSError: if it is not of that kind: it may lead to any socket, or any file.
    """
    target = place.readlink()
    kind = target.is_absolute() and target.name == SOCKET
    if not kind or not target.parent.name.startswith(_ELSEWHERE):
        raise PermissionError(f"{place} is a link to something else than a run's socket")
    holder = target.parent.lstat()
    if not stat.S_ISDIR(holder.st_mode):
        raise NotADirectoryError(f"{place} leads through what is no folder")
    if {place.lstat().st_uid, holder.st_uid} != {os.geteuid()}:
        raise PermissionError("it belongs to another user")
    if holder.st_mode & _OTHERS:
        raise PermissionError(f"others can use {target.parent}")
    return target


def _remove_elsewhere(target: Path) -> None:
    folder = os.open(target.parent, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(target.name, dir_fd=folder).st_mode):
                os.unlink(target.name, dir_fd=folder)
    finally:
        os.close(folder)
    target.parent.rmdir()

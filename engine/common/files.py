"""Writing files so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from engine.common.errors import UserError
from engine.common.ownership import why_denied

# A pipe is not waited for; whatever is no file is refused once it is open.
_ONLY_FILES = os.O_NOFOLLOW | os.O_NONBLOCK


def write_atomic(
    path: Path,
    data: str | bytes,
    durable: bool = True,
    replace: bool = True,
    private: bool = True,
) -> None:
    """Write to a temporary file beside ``path``, flush it to disk, rename it over ``path``.

    Args:
        path: of the file.
        data: its content; text as UTF-8.
        durable: when this returns, a power cut can't undo it. What can be made again at any time
            need not be.
        replace: what is there may be replaced.
        private: only its owner can read it; else those who may read what the user makes (umask),
            or could read what it replaces.

    Raises:
        FileExistsError: if there is something, a link too, and it is not to be replaced.
        OSError: if the folder can't be written or is full; ``path`` is then as it was.
    """
    content = data.encode() if isinstance(data, str) else data
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if not private:
                os.fchmod(descriptor, _usual_mode(path))
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            _give_free_name(Path(temporary), path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _usual_mode(path: Path) -> int:
    """The mode of a file that a user writes at ``path`` with any other program."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return mode & 0o777
    return 0o666 & ~umask()


def umask() -> int:
    """The umask of this process; to set it, as one has to elsewhere, would be seen by threads."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    current = os.umask(0o077)
    os.umask(current)
    return current


def _give_free_name(temporary: Path, path: Path) -> None:
    """Move a file to a name that nothing has."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        temporary.replace(path)
    else:
        temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk, as far as its file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def open_private(path: Path) -> int:
    """The descriptor of a file that only its owner can read, to append to it.

    Nothing is written through a link, nor to what is no file.

    Raises:
        OSError: if it can't be opened.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | _ONLY_FILES
    return _checked(path, lambda: os.open(path, flags, 0o600))


def read_small(path: Path, limit: int) -> bytes:
    """The content of a small file of a folder that others may write; no link is followed.

    Raises:
        OSError: if it can't be read, is no file, or has more than ``limit`` bytes.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | _ONLY_FILES
    with os.fdopen(_checked(path, lambda: os.open(path, flags)), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(path))
    return content


def _checked(path: Path, opened: Callable[[], int]) -> int:
    """A descriptor of a file; for anything else there is an error that says what it is."""
    try:
        descriptor = opened()
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            text = "it is a link, and none is followed here"
            raise OSError(error.errno, text, str(path)) from error
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
            raise OSError(error.errno, "it is no file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return descriptor


def append_private(path: Path, text: str) -> None:
    """Add to a file that only its owner can read.

    Raises:
        OSError: if it can't be written.
    """
    with os.fdopen(open_private(path), "ab") as file:
        file.write(text.encode(errors="backslashreplace"))


def mark_used(path: Path) -> None:
    """Set the time of a file to now, where that may be done: a cache may be another user's."""
    with contextlib.suppress(OSError):
        os.utime(path)


def append_traceback(path: Path, error: BaseException) -> None:
    """Add the traceback of an error to a log, if that can be written."""
    with contextlib.suppress(OSError):
        append_private(path, "".join(traceback.format_exception(error)))


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Create a folder and those above it that are missing; others can't write them.

    Args:
        path: of the folder.
        mode: of itself; those above it get 0755. The umask can only take from both.

    Raises:
        OSError: if it can't be created.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o755, exist_ok=True)
    path.mkdir(mode=mode, exist_ok=True)


def close_to_others(folder: Path, deep: bool = False) -> None:
    """Take the right to write a folder of this user's, ``deep`` all in it too, from others."""
    for path in (folder, *(folder.rglob("*") if deep else ())):
        mode = path.lstat().st_mode
        if mode & 0o022 and not stat.S_ISLNK(mode) and path.lstat().st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(mode) & ~0o022)


def check_writable(folder: Path) -> None:
    """See that files can be made in a folder; or where it is to be made, if it is not there.

    Raises:
        OSError: if not.
    """
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is no folder", str(place))
    with tempfile.TemporaryFile(dir=place) as probe:
        probe.write(b"\0" * 4096)
        probe.flush()


def check_place(folder: Path, what: str = "a run", option: str = "--run-dir") -> None:
    """See that a folder can be made and written; nothing is left there.

    Args:
        folder: that ``what`` is to be written into.
        what: for the message.
        option: that names another folder.

    Raises:
        UserError: naming the folder and what is wrong with it.
    """
    try:
        check_writable(folder)
    except OSError as error:
        reason = why_denied(error, folder)
        if isinstance(error, NotADirectoryError) and os.path.lexists(folder):
            reason = "it is a link to nothing" if folder.is_symlink() else "it is a file"
        raise UserError(
            f"{folder}: {what} can't be written there: {reason}; give another {option}"
        ) from error


def make_private_folder(path: Path, what: str = "a run", option: str = "--run-dir") -> None:
    """Create a folder that only its owner can enter, and see that it can be written.

    Raises:
        UserError: as ``check_place``.
    """
    check_place(path, what, option)
    try:
        make_folder(path, 0o700)
    except OSError as error:
        raise UserError(
            f"{path}: {what} can't be written there: {why_denied(error, path)}; give another "
            f"{option}"
        ) from error

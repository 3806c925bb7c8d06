"""Writing files so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import traceback
from pathlib import Path

from engine.errors import UserError


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write to a temporary file beside ``path``, flush it to disk, rename it over ``path``.

    Only its owner can read the file. When this returns, a power cut can't undo it.

    Raises:
        OSError: if the folder can't be written or is full; ``path`` is then as it was.
    """
    content = data.encode() if isinstance(data, str) else data
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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

    Raises:
        OSError: if it can't be opened.
    """
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def append_private(path: Path, text: str) -> None:
    """Add to a file that only its owner can read.

    Raises:
        OSError: if it can't be written.
    """
    with os.fdopen(open_private(path), "ab") as file:
        file.write(text.encode(errors="backslashreplace"))


def append_traceback(path: Path, error: Exception) -> None:
    """Add the traceback of an error to a log, if that can be written."""
    with contextlib.suppress(OSError):
        append_private(path, "".join(traceback.format_exception(error)))


def make_private_folder(path: Path) -> None:
    """Create a folder that only its owner can enter, and see that it can be written.

    Raises:
        UserError: naming the folder and what is wrong with it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{path}: a run can't be written there: {reason}") from error

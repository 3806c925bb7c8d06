"""What root is denied: for tests of what others may not read or write, wherever they are run."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

_VERSION_3 = 0x20080522
_PASSES_MODES = 0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER


@contextlib.contextmanager
def modes_hold() -> Iterator[None]:
    """Meanwhile the modes of files hold for root too: in this thread, and those begun in it."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    before = sets[0]
    sets[0] = before & ~_PASSES_MODES
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        sets[0] = before
        libc.capset(header, sets)


@contextlib.contextmanager
def sealed(path: Path, mode: int) -> Iterator[None]:
    """Meanwhile the file or folder has this mode, and it holds for root too."""
    kept = path.stat().st_mode
    path.chmod(mode)
    try:
        with modes_hold():
            yield
    finally:
        path.chmod(kept)

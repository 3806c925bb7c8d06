"""Whatever ends a pytest process, what its tests started ends with it, SIGKILL included.

Engines outlive screens on purpose, and a pty is a session of its own: no parent's death reaches
them all. What reaches them is the environment. Each pytest process (the runner, each xdist
worker) adds a name of its own to ``GLOV_TESTS``, and holds the other end of a pipe of a watch: a
small process that kills all those that bear this name when the pipe closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

VARIABLE = "GLOV_TESTS"
PROC = Path("/proc")
LOOKS = 5  # in a row without a process that is left: one may have been about to start another


def begin() -> None:
    """Have all that this process starts from now on end with it; only where there is ``/proc``."""
    global _pipe
    if not (PROC / "self/environ").exists():
        return
    own = uuid.uuid4().hex
    names = [name for name in (os.environ.get(VARIABLE), own) if name]
    os.environ[VARIABLE] = ":".join(names)
    # Isolated, and in a session of its own: nothing of the tests, nor ctrl+c, is to reach it.
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, own], stdin=subprocess.PIPE, start_new_session=True
    )
    _pipe = watch.stdin


_pipe: object = None  # open as long as this process lives


def bearing(name: str) -> list[int]:
    """The processes, but for this one, in whose environment a name is one of ``GLOV_TESTS``."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):  # it is gone, or another user's
                for entry in (folder / "environ").read_bytes().split(b"\0"):
                    variable, _, value = entry.partition(b"=")
                    if variable == VARIABLE.encode() and name.encode() in value.split(b":"):
                        found.append(int(folder.name))
    return found


def _watch(name: str) -> None:
    sys.stdin.buffer.read()  # to its end: that of the process that holds the other end
    quiet = 0
    while quiet < LOOKS:
        left = bearing(name)
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if left else quiet + 1
        time.sleep(0.02)


if __name__ == "__main__":
    _watch(sys.argv[1])

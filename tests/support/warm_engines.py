"""Engines that screens of tests start, in forks of a process that has its libraries already.

``python -m tests.support.warm_engines ARGUMENTS`` is ``glov ARGUMENTS``, but that an engine's
process is asked for at the socket that ``VARIABLE`` names. What answers there forks: a real
process, in a session of its own, that spends no seconds of the CPU on imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from tests.support.patience import CEILING_SECONDS

VARIABLE = "GLOV_TESTS_ENGINES"
_HEAD = 4  # arguments of the command before the folder: python -P -m MODULE


class WarmEngine:
    """What ``engine.remote.process`` uses of ``subprocess.Popen``."""

    def __init__(
        self, command: Sequence[str], *, stdout: int, pass_fds: tuple[int], **_: object
    ) -> None:
        """Ask for the engine; ``command`` is the one that ``start_engine`` would run."""
        folder, _descriptor, *rest = command[_HEAD:]
        asked = {
            "arguments": [str(Path(folder).absolute()), *rest],
            "environment": dict(os.environ),
            "cwd": str(Path.cwd()),
        }
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(CEILING_SECONDS)
        self._line.connect(os.environ[VARIABLE])
        socket.send_fds(self._line, [b"!"], [stdout, *pass_fds])
        self._line.sendall(json.dumps(asked).encode() + b"\n")
        self._answers = self._line.makefile()
        self.pid = int(self._answers.readline())

    def wait(self) -> int:
        """Wait for its end; returns its exit code, minus the signal if one ended it."""
        self._line.settimeout(None)
        return int(self._answers.readline())


def install() -> None:
    """Have ``start_engine`` of this process start warm engines."""
    from engine.remote import process

    process.subprocess = SimpleNamespace(Popen=WarmEngine, DEVNULL=subprocess.DEVNULL)


def serve(listener: socket.socket) -> NoReturn:
    """Start an engine for each that asks; in a process that has imported what engines do."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _keep(line)
        line.close()


def _keep(line: socket.socket) -> NoReturn:
    """Start one engine, and say its number and how it ended to who asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(line, 1, 2)
    with line.makefile() as answers:
        asked = json.loads(answers.readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        _be_engine(asked, *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    with contextlib.suppress(OSError):  # who asked may be gone, and the engine goes on
        line.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _be_engine(asked: dict[str, Any], log: int, answer: int) -> NoReturn:
    code: object = 1
    try:
        os.setsid()
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["cwd"])
        from engine.common.stop_signals import leave
        from engine.remote import process

        folder, places, *flags = asked["arguments"]
        sys.argv = [process.__file__, folder, str(answer), places, *flags]
        trusted = process.TRUST_FLAG in flags
        leave(process.main(Path(folder), answer, json.loads(places), trusted))
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    # By its own name: this one is run anew under the program's.
    from tests.support import warm_engines

    warm_engines.install()
    sys.argv[0] = "glov"
    runpy.run_module("glov_tui", run_name="__main__", alter_sys=True)

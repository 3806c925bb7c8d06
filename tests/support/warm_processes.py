"""Processes that are forks of one that has its libraries already: they spend no CPU on imports.

An engine that a screen of a test starts, a ``glov`` that a test signals, and one in a terminal of
its own are asked for at the socket that ``VARIABLE`` names. What answers there forks: what comes of
it is a real process, with real models. ``python -m tests.support.warm_processes ARGUMENTS`` is
``glov ARGUMENTS`` for a shell, but that its engine is asked for there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from tests.support.patience import CEILING_SECONDS

VARIABLE = "GLOV_TESTS_PROCESSES"
WARM = [sys.executable, "-m", "tests.support.warm_processes"]
"""What begins the command line of a ``glov`` whose engine is asked for."""
_HEAD = 4  # what begins the command of an engine, and of a sweep's driver: python -P -m MODULE


# -- who asks -------------------------------------------------------------------------------------


class WarmProcess:
    """A process that was asked for."""

    def __init__(
        self,
        what: str,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *descriptors: int,
    ) -> None:
        """``what``: an ``engine``, whose descriptors are those of a log and of where it answers;
        ``glov``, whose are those of output and errors; or a ``screen``, whose is its terminal's.
        """
        asked = {
            "what": what,
            "arguments": list(arguments),
            "cwd": str(cwd),
            "environment": dict(environment),
        }
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(CEILING_SECONDS)
        self._line.connect(os.environ[VARIABLE])
        socket.send_fds(self._line, [b"!"], list(descriptors))
        self._line.sendall(json.dumps(asked).encode() + b"\n")
        self._answers = self._line.makefile("rb", buffering=0)  # `has_ended` sees all that came
        self.pid = int(self._answers.readline())
        self._reading = threading.Lock()
        self._code: int | None = None

    @property
    def has_ended(self) -> bool:
        return bool(select.select([self._line], [], [], 0)[0])

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """As ``wait`` if it has ended; else None."""
        return self.wait() if self.has_ended else None

    def terminate(self) -> None:
        """Ask it to end."""
        self.kill(signal.SIGTERM)

    def wait(self, seconds: float = CEILING_SECONDS) -> int:
        """Wait for its end; returns its exit code, or minus the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: if it goes on.
        """
        with self._reading:
            if self._code is None:
                if not select.select([self._line], [], [], seconds)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), seconds)
                self._code = int(self._answers.readline())
            return self._code


def _engine(
    command: Sequence[str], *, stdout: int, pass_fds: tuple[int], **_: object
) -> WarmProcess:
    """In the place of ``subprocess.Popen`` in ``engine.remote.process``."""
    if VARIABLE not in os.environ:
        from tests.support.forking import warm_glov

        warm_glov()
    folder, _descriptor, *rest = command[_HEAD:]
    arguments = [str(Path(folder).absolute()), *rest]
    return WarmProcess("engine", arguments, Path.cwd(), os.environ, stdout, *pass_fds)


def _driver(command: Sequence[str], *, stdout: int, stderr: int, **_: object) -> WarmProcess:
    """The same in ``glov_tui.commands.fleet``, for the ``glov`` that drives a sweep."""
    return WarmProcess("glov", command[_HEAD:], Path.cwd(), os.environ, stdout, stderr)


def install() -> None:
    """Have ``start_engine`` of this process ask for engines."""
    from engine.remote import process

    process.subprocess = SimpleNamespace(Popen=_engine, DEVNULL=subprocess.DEVNULL)


# -- who answers ----------------------------------------------------------------------------------


def serve(listener: socket.socket) -> NoReturn:
    """Start a process for each that asks; in one that has imported what they need."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _keep(line)
        line.close()


def _keep(line: socket.socket) -> NoReturn:
    """Start one process, and say its number and how it ended to who asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(line, 1, 2)
    with line.makefile() as answers:
        asked = json.loads(answers.readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        {"engine": _be_engine, "glov": _be_glov, "screen": _be_screen}[asked["what"]](
            asked, *descriptors
        )
    for descriptor in descriptors:
        os.close(descriptor)
    with contextlib.suppress(OSError):  # who asked may be gone, and this one goes on
        line.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def run_to_end(program: Callable[[], object]) -> NoReturn:
    """Leave this process with the exit code of a program, behind which nothing is to be run."""
    code: object = 1
    try:
        program()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def become(
    cwd: str, environment: Mapping[str, str], output: int, errors: int, given: int | None = None
) -> None:
    """Take the place of a process that is started anew, with no input but what is ``given``."""
    given = os.open(os.devnull, os.O_RDONLY) if given is None else given
    for source, target in ((given, 0), (output, 1), (errors, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)


def glov(arguments: Sequence[str]) -> None:
    """The program with these arguments."""
    from glov_tui import __main__, cli

    sys.modules["__main__"] = __main__  # as the program's name is read from it
    sys.argv = [__main__.__file__, *arguments]
    cli.main()


def _be_glov(asked: Mapping[str, Any], output: int, errors: int) -> NoReturn:
    def program() -> None:
        become(asked["cwd"], asked["environment"], output, errors)
        for descriptor in {output, errors}:  # else a pipe would seem to be read on
            os.close(descriptor)
        install()
        glov(asked["arguments"])

    run_to_end(program)


def _be_screen(asked: Mapping[str, Any], terminal: int) -> NoReturn:
    def program() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        become(asked["cwd"], asked["environment"], terminal, terminal, terminal)
        os.close(terminal)
        sys.stdout.reconfigure(line_buffering=True)  # it was made for a pipe
        install()
        from glov_tui.commands import fleet

        own = {"Popen": _driver, "DEVNULL": subprocess.DEVNULL}
        fleet.subprocess = SimpleNamespace(**own, TimeoutExpired=subprocess.TimeoutExpired)
        glov(asked["arguments"])

    run_to_end(program)


def _be_engine(asked: Mapping[str, Any], log: int, answer: int) -> NoReturn:
    def program() -> None:
        os.setsid()
        become(asked["cwd"], asked["environment"], log, log)
        from engine.common.stop_signals import leave
        from engine.remote import process

        folder, places, *flags = asked["arguments"]
        sys.argv = [process.__file__, folder, str(answer), places, *flags]
        trusted = process.TRUST_FLAG in flags
        leave(process.main(Path(folder), answer, json.loads(places), trusted))

    run_to_end(program)


if __name__ == "__main__":
    # By its own name: this one is run anew under the program's.
    from tests.support import warm_processes

    warm_processes.install()
    sys.argv[0] = "glov"
    runpy.run_module("glov_tui", run_name="__main__", alter_sys=True)

"""The command line, run as users run it: in pipes, and as the tests of a real terminal start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.forking import warm_glov
from tests.support.patience import CEILING_SECONDS
from tests.support.terminal import Terminal
from tests.support.warm_processes import WARM, WarmProcess

GLOV = [sys.executable, "-m", "glov_tui"]


def glov(*arguments: str, fresh: bool = False) -> list[str]:
    """A command line for a terminal; it and the engine that it starts have their libraries already.

    ``fresh``: it takes seconds to import them, as for users.
    """
    if fresh:
        return [*GLOV, *arguments]
    warm_glov()
    return [*WARM, *arguments]


def demo_arguments(folder: Path, *overrides: str) -> list[str]:
    options = [part for text in overrides for part in ("--set", text)]
    return ["demo", "--run-dir", str(folder), *options]


def demo(folder: Path, *overrides: str, fresh: bool = False) -> list[str]:
    return glov(*demo_arguments(folder, *overrides), fresh=fresh)


def called(
    *arguments: str, cwd: Path = ROOT, fresh: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """``glov`` with these arguments, to its end, without a terminal.

    In a process that has its libraries already; ``fresh`` in a new interpreter, which takes
    seconds more, and needs be only where its start is what is tested.
    """
    every = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    if not fresh and not any(name.startswith("PYTHON") for name in environment):
        return warm_glov().run(arguments, cwd, every)
    return subprocess.run(
        glov(*arguments, fresh=True),
        cwd=cwd,
        env=every,
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
        stdin=subprocess.DEVNULL,
    )


def started(*arguments: str, cwd: Path, output: int, errors: int) -> WarmProcess:
    """``glov`` with these arguments, which goes on; it writes to two descriptors."""
    warm_glov()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return WarmProcess("glov", arguments, cwd, environment, output, errors)


def check_refused(done: subprocess.CompletedProcess[str], expected: str, cwd: Path) -> None:
    """A wrong call: one clear message, nothing else, and no run."""
    assert done.returncode == 2, done.stderr
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not list(cwd.glob("runs/*"))


def attach(folder: Path, **options: object) -> Terminal:
    """Another screen of a run that is under way."""
    return Terminal(glov("attach", str(folder)), **options)


def stop_and_quit(terminal: Terminal) -> None:
    """Stop the run that a cockpit shows and leave it; the terminal is as it was."""
    terminal.press("q")
    terminal.wait_for("Stop and quit")
    terminal.press("s")
    assert terminal.wait_exit() == 130
    assert terminal.attributes == terminal.attributes_before

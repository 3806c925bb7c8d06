"""The command line, run as users run it: in pipes, and as the tests of a real terminal start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.patience import CEILING_SECONDS
from tests.support.terminal import Terminal

GLOV = [sys.executable, "-m", "glov_tui"]


def glov(*arguments: str) -> list[str]:
    return [*GLOV, *arguments]


def demo(folder: Path, *overrides: str) -> list[str]:
    options = [part for text in overrides for part in ("--set", text)]
    return glov("demo", "--run-dir", str(folder), *options)


def called(
    *arguments: str, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """``glov`` with these arguments, to its end, without a terminal."""
    return subprocess.run(
        glov(*arguments),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
        stdin=subprocess.DEVNULL,
    )


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

"""A pytest that is killed leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.support import ROOT, lifeline
from tests.support.forking import COLD
from tests.support.patience import CEILING_SECONDS, wait_until

pytestmark = pytest.mark.skipif(not lifeline.PROC.is_dir(), reason="there is no /proc")


@pytest.mark.parametrize("killed", ["runner", "runner of workers", "worker"])
def test_a_killed_pytest_leaves_no_process(tmp_path: Path, killed: str) -> None:
    name, ready = uuid.uuid4().hex, tmp_path / "ready"
    inherited = [os.environ[lifeline.VARIABLE], name]  # so that these end with this process too
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment |= {lifeline.VARIABLE: ":".join(inherited), "LEFT_BEHIND": str(ready)}
    environment[COLD] = "1"  # its engine is killed before it has imported all
    argv = [sys.executable, "-m", "pytest", "tests/support/abandoned.py", "-p", "no:cacheprovider"]
    argv += ["--basetemp", str(tmp_path / "base"), *(["-n", "1"] if killed != "runner" else [])]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, cwd=ROOT, env=environment, **quiet) as runner:
        wait_until(lambda: ready.exists() or runner.poll() is not None, "all processes are there")
        assert runner.poll() is None, "it ended by itself"
        ran = int(ready.read_text())
        assert (ran == runner.pid) == (killed == "runner")
        started = set(lifeline.bearing(name)) - {runner.pid, ran}
        assert (
            len(started) >= 6
        )  # a watch, a screen, its engine, one that forks, its fork, an orphan
        if killed == "worker":
            runner.send_signal(signal.SIGSTOP)  # it would end as well
            os.kill(ran, signal.SIGKILL)
            wait_until(lambda: len(lifeline.bearing(name)) == 2, "the runner and its watch")
            runner.send_signal(signal.SIGCONT)
        else:
            runner.kill()
        runner.wait(CEILING_SECONDS)
    wait_until(lambda: not lifeline.bearing(name), "no process is left")

"""A test that is killed while all kinds of processes that tests start are there.

    LEFT_BEHIND=FILE pytest tests/support/abandoned.py

``FILE`` gets the process id of the pytest process that runs it once all are there. Not collected
with the tests: ``tests/test_lifeline.py`` starts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from engine.common.files import write_atomic
from engine.storage.run_folder import SOCKET
from tests.support.command import demo
from tests.support.patience import wait_until
from tests.support.terminal import Terminal


def test_to_be_killed(tmp_path: Path) -> None:
    run, orphan = tmp_path / "run", tmp_path / "orphan"
    terminal = Terminal(demo(run, "steps=500"))  # a screen on a pty, and its engine
    forking = subprocess.Popen(
        [sys.executable, "-c", "import os, time; os.fork(); time.sleep(900)"]
    )
    subprocess.run(["sh", "-c", f"setsid sleep 900 & echo > {orphan}"], check=True)
    wait_until(lambda: terminal.alternate_screen and (run / SOCKET).exists() and orphan.exists())
    assert forking.poll() is None
    write_atomic(Path(os.environ["LEFT_BEHIND"]), str(os.getpid()))
    time.sleep(900)

"""The engine's memory in the status line."""

from __future__ import annotations

import os
import subprocess
import sys

from glov_tui.common.device_memory import memory_used


def test_an_engine_that_was_killed_uses_no_memory() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still listed
    try:
        assert memory_used(1e9, child.pid) == ""
    finally:
        child.wait()
    assert memory_used(2e9).endswith(" GiB")  # of this process

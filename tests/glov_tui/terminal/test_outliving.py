"""Where output goes once nobody reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

CODE = """
import os, pathlib, sys
from glov_tui.terminal.outliving import outliving_the_terminal
read, write = os.pipe()
os.dup2(write, 2)
os.close(read), os.close(write)
with outliving_the_terminal(pathlib.Path(sys.argv[1])) as readers:
    readers.replace()
    print("text", file=sys.stderr, flush=True)
print("whole")
"""


def run(log: Path) -> str:
    command = [sys.executable, "-c", CODE, str(log)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def test_it_goes_to_the_log_or_nowhere_but_through_no_link(tmp_path: Path) -> None:
    assert run(tmp_path / "log.txt") == "whole\n"
    assert (tmp_path / "log.txt").read_text() == "text\n"
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    assert run(tmp_path / "link") == "whole\n"
    assert (tmp_path / "precious").read_text() == "precious"

"""Steering over time and the engine's machine, in a real terminal of long runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.storage.journal import Journal
from tests.support.command import glov
from tests.support.steered_runs import long_run
from tests.support.terminal import Terminal


@pytest.mark.parametrize("columns, rows", [(200, 50), (60, 20)])
def test_a_long_run_without_colours_in_ascii(tmp_path: Path, columns: int, rows: int) -> None:
    folder = tmp_path / "long"
    journal = Journal.create(folder)
    journal.append(*long_run(120, 40))
    journal.close()
    env = {"NO_COLOR": "1", "LC_ALL": "C"}
    command = glov("replay", str(folder), "--speed", "max")
    with Terminal(command, columns=columns, rows=rows, env=env) as terminal:
        terminal.wait_for("replay")
        terminal.press("end")
        terminal.wait_for("step 120")
        terminal.press("S")
        bins = "5 steps a column" if columns < 80 else "1 step a column"
        terminal.wait_for("layer 21", "####", "norm from", bins)
        assert terminal.text.isascii()
        terminal.press("v")
        terminal.wait_for("ratio from")
        terminal.press("S")
        terminal.press("M")
        terminal.wait_for("No engine is at work here", "earlier glov")
        assert terminal.text.isascii()
        terminal.press("M")
        terminal.wait_gone("No engine is at work")
        terminal.press("q")
        assert terminal.wait_exit() == 0

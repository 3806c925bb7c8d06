"""Steering over time and the engine's machine, in a real terminal of long runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.storage.journal import Journal, read_state
from tests.support.command import demo, glov, stop_and_quit
from tests.support.steered_runs import long_run
from tests.support.terminal import Terminal


def test_a_steered_step_is_looked_at_and_decoded_again_without_steering(run_folder: Path) -> None:
    command = demo(run_folder, "steps=40", "steering.alpha=auto", "steering.alphas=[0.5,1]")
    with Terminal(command, columns=100, rows=30) as terminal:
        later = [f"step {n}/40" for n in range(4, 40)]  # the one before was steered
        terminal.wait_until(lambda: any(step in terminal.text for step in later), "a later step")
        terminal.press("M")
        terminal.wait_for("where the time went", "it may use", "tokens/s")
        terminal.wait_for("propose", "score", "tok/s")
        terminal.press("M")
        terminal.press("space")
        terminal.wait_for("paused")
        terminal.press("S")
        terminal.wait_for("steering over time", "norm of H+ - H-", "hidden states")
        terminal.press("left")
        terminal.wait_for("nats a token")
        # What each alpha had earned when the one of this step was chosen.
        terminal.wait_until(
            lambda: re.search(r"alpha (0\.5|1); trials: (0\.5|1) [+-]\d+\.\d", terminal.text),
            "the trials of alphas",
        )
        terminal.press("enter")
        terminal.wait_for("enter decodes the step again", "Kept in the journal")
        terminal.press("enter")
        terminal.wait_for("The steered ones are the run's own")
        terminal.press("escape")
        terminal.wait_for("steering over time")
        terminal.press("S")
        terminal.wait_gone("steering over time")
        stop_and_quit(terminal)
    times = [step.times for step in read_state(run_folder).steps]
    assert times and all(one is not None and one.propose > 0 for one in times)


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
        key = " ." if columns < 80 else " from"  # in fewer words where it is narrow
        terminal.wait_for("layer 21", "####", f"norm{key}", bins)
        assert terminal.text.isascii()
        terminal.press("v")
        terminal.wait_for("ratio from")
        terminal.press("S")
        terminal.press("M")
        terminal.wait_for("This is an earlier moment", "earlier glov")
        assert terminal.text.isascii()
        terminal.press("M")
        terminal.wait_gone("This is an earlier moment")
        terminal.press("q")
        assert terminal.wait_exit() == 0

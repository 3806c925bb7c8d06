"""Several runs in a real terminal: forked, taken up, replayed, compared, put on one chart."""

from __future__ import annotations

import os
from pathlib import Path

from engine.storage.journal import is_driven, read_state
from tests.support.command import called, glov
from tests.support.patience import wait_until
from tests.support.terminal import Terminal
from tests.support.written_runs import write_run


def environment(runs: Path) -> dict[str, str | None]:
    return {"GLOV_RUNS_DIR": str(runs), "GLOV_CACHE_DIR": os.environ["GLOV_CACHE_DIR"]}


def test_a_run_is_replayed_forked_and_its_fork_is_taken_up(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    own = runs / "own"
    done = called("demo", "--run-dir", str(own), "--set", "steps=500", "--detach")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: read_state(own).steps_done > 0)
    assert called("stop", str(own)).returncode == 0
    wait_until(lambda: not is_driven(own))
    steps = read_state(own).steps_done
    fork = runs / f"own-at-{steps}"
    try:
        with Terminal(glov(), columns=100, rows=30, env=environment(runs)) as terminal:
            terminal.wait_for("1 run", "stopped", "Resume", "Replay")
            terminal.press("p")
            terminal.wait_for(f"step 0 of {steps}", "Hold")
            terminal.press("R")
            terminal.wait_for("1 run", "Fork")
            terminal.press("f")
            terminal.wait_for(f"fork at the end of step {steps}", fork.name)
            terminal.press("enter")
            terminal.wait_for("2 runs", f"▌  {fork.name}")  # the cursor is on it
            assert not is_driven(fork) and read_state(fork).steps_done == steps
            terminal.press("r")
            terminal.wait_for(f"step {steps + 1}/500", "proposing")
            assert is_driven(fork) and not is_driven(own)
            terminal.press("R")
            terminal.wait_for("1 under way")
            terminal.press("q")
            assert terminal.wait_exit() == 0
            assert terminal.raw.count(b"\x1b[?1049h") == 1  # one screen, from first to last
        wait_until(lambda: read_state(fork).steps_done > steps)  # it goes on by itself
        assert read_state(own).steps_done == steps
    finally:
        called("stop", str(fork))
        called("stop", str(own))


def test_marked_runs_are_compared_and_share_a_chart_also_from_a_cockpit(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "plain", "steering.mode=off", curve=(40, 50, 55))
    write_run(runs / "steered", curve=(40, 60, 70), edited=True)
    write_run(runs / "other", curve=(40, 45))
    with Terminal(glov(), columns=120, rows=40, env=environment(runs)) as terminal:
        terminal.wait_for("3 runs", "plain", "steered", "other")
        terminal.press("/", *"-other", "enter")
        terminal.wait_for("2 of 3 runs", "Mark")
        terminal.press("home", "space", "space")
        terminal.wait_for("2 marked", "Compare")
        terminal.press("c")
        terminal.wait_for("steering.mode=off", "baseline", "points")
        terminal.press("escape")
        terminal.wait_for("2 marked", "Chart")
        terminal.press("v")
        terminal.wait_for("2 runs: best few-shot accuracy by steps", "87.5", "68.8")
        terminal.wait_for("a person", "steering.alpha = 0.1")  # who did what to which run
        terminal.press("x")
        terminal.wait_for("by minutes at work")
        terminal.press("x")
        terminal.wait_for("by training images scored")
        terminal.press("s")
        terminal.wait_for("mean of 3 steps")
        terminal.press("escape")
        terminal.wait_for("2 marked", "Open")
        terminal.press("escape", "home", "/", *"other", "enter")
        terminal.wait_for("1 of 3 runs")
        terminal.press("enter")
        terminal.wait_for("finished", "56.2%")
        terminal.press("v")  # this one beside the marked ones
        terminal.wait_for("3 runs: best few-shot accuracy by", "other", "steered", "plain")
        terminal.press("v")
        terminal.wait_gone("3 runs:")
        terminal.press("q")  # it has ended, so that there is nothing to ask: back to where one was
        terminal.wait_for("1 of 3 runs", "by newest")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert terminal.attributes == terminal.attributes_before

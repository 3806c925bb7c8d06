"""`glov` alone in a real terminal: runs are opened, switched between, left and deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.storage.journal import is_driven, read_state
from tests.support.command import called, glov
from tests.support.patience import wait_until
from tests.support.terminal import Terminal
from tests.support.written_runs import write_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    write_run(folder / "first", curve=(40, 60))
    write_run(folder / "second", curve=(40, 70))
    write_run(folder / "third", curve=(40, 50))
    return folder


def environment(runs: Path) -> dict[str, str | None]:
    return {"GLOV_RUNS_DIR": str(runs), "GLOV_CACHE_DIR": os.environ["GLOV_CACHE_DIR"]}


def test_runs_are_opened_switched_between_left_and_deleted(runs: Path) -> None:
    with Terminal(glov(), columns=100, rows=30, env=environment(runs)) as terminal:
        terminal.wait_for("3 runs", "first", "second", "third")
        terminal.press("/", *"state:finished -first", "enter")
        terminal.wait_for("2 of 3 runs", "Open")  # the keys are those of the table
        terminal.press("o")
        terminal.wait_for("by best")  # second, third
        terminal.press("home", "enter")
        terminal.wait_for("1 of 2: second", "87.5%")
        terminal.wait_gone("1 of 2")  # the keys are back
        assert terminal.alternate_screen
        terminal.press(">")
        terminal.wait_for("2 of 2: third", "62.5%")
        terminal.press("<")
        terminal.wait_for("1 of 2: second")
        terminal.press("R")
        terminal.wait_for("2 of 3 runs", "by best")
        terminal.press("escape", "end", "d")  # the one with the lowest accuracy
        terminal.wait_for("Delete", "for good?", "2 steps and best 62.5%")
        asked = "".join(line.strip(" │") for line in terminal.lines)  # a long path is in two lines
        assert str(runs / "third") in asked
        terminal.press("y")
        terminal.wait_for("2 runs")
        assert not (runs / "third").exists()
        # All of that was one full screen: the shell's was never shown in between.
        assert terminal.raw.count(b"\x1b[?1049h") == 1 and b"\x1b[?1049l" not in terminal.raw
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert terminal.attributes == terminal.attributes_before
        assert (
            not terminal.alternate_screen and terminal.cursor_shown and not terminal.modes & {1003}
        )
    assert sorted(path.name for path in runs.iterdir()) == ["first", "second"]


def test_a_run_is_begun_from_home_goes_on_when_it_is_left_and_is_stopped_from_there(
    tmp_path: Path,
) -> None:
    runs = tmp_path / "runs"
    try:
        with Terminal(glov(), columns=100, rows=30, env=environment(runs)) as terminal:
            terminal.wait_for("begins the demo", "glov demo")
            terminal.press("n")
            terminal.wait_for("running")
            terminal.press("R")
            terminal.wait_for("1 under way", "▶ running")
            (run,) = runs.iterdir()
            assert is_driven(run)
            terminal.press("enter")
            terminal.wait_for("proposing", "Pause")  # and has the controls again
            terminal.press("R")
            terminal.wait_for("1 under way")
            terminal.press("s")
            terminal.wait_for("Nothing is lost")
            terminal.press("s")
            terminal.wait_for("stopped")
            wait_until(lambda: not is_driven(run))
            terminal.press("q")
            assert terminal.wait_exit() == 0
            assert "goes on" not in terminal.text
        assert read_state(run).status == "stopped"
    finally:
        called("stop", "latest", GLOV_RUNS_DIR=str(runs))


def test_from_an_attached_run_to_home_and_out_by_ctrl_c(run_folder: Path) -> None:
    runs = run_folder.parent / "runs"  # the run is elsewhere, and listed all the same
    write_run(runs / "other")
    done = called("demo", "--run-dir", str(run_folder), "--set", "steps=200", "--detach")
    assert done.returncode == 0, done.stderr
    arguments = glov("attach", str(run_folder))
    with Terminal(arguments, columns=80, rows=24, env=environment(runs)) as terminal:
        terminal.wait_for("Pause")
        terminal.press("R")
        terminal.wait_for("2 runs", "1 under way", "▌  run ", "other")
        terminal.press("ctrl+c")
        terminal.wait_for("Press ctrl+c again")
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 0
        assert terminal.attributes == terminal.attributes_before and not terminal.alternate_screen
        terminal.wait_until(lambda: "the run goes on" in terminal.text)
    assert is_driven(run_folder)
    assert called("stop", str(run_folder)).returncode == 0


def test_without_a_terminal_it_is_the_help_as_before() -> None:
    done = called()
    assert done.returncode == 2 and "Usage:" in done.stdout and "│ demo " in done.stdout
    done = called("--low-bandwidth")
    assert done.returncode == 2 and "`glov runs` prints it" in done.stderr
    done = called("--low-bandwidth", "runs")
    assert done.returncode == 2 and "glov runs --low-bandwidth" in done.stderr

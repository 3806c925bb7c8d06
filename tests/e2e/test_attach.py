"""Runs that outlive their screens: dropped lines, detaching, several screens, stop from outside."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from engine.remote.client import RemoteSession
from engine.run import events as ev
from engine.run.commands import Pause
from engine.storage.journal import is_driven, read_journal
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS, LOG, PREDICTIONS, SOCKET
from tests.support.command import attach, called, demo, glov, stop_and_quit
from tests.support.patience import wait_until
from tests.support.terminal import Terminal
from tests.support.written_runs import write_run


def kinds(folder: Path) -> list[str]:
    return [event.kind for event in read_journal(folder).events]


def test_a_run_whose_line_dropped_is_edited_and_seen_through_from_another_terminal(
    run_folder: Path,
) -> None:
    with Terminal(demo(run_folder, "steps=16"), columns=80, rows=24) as first:
        first.wait_for("proposing")
        first.hang_up()
    steered = len(kinds(run_folder))
    wait_until(lambda: "steering-prepared" in kinds(run_folder)[steered:], "it goes on")
    between = RemoteSession.attach(run_folder, "a test")  # holds it while a screen is started
    between.start()
    wait_until(lambda: between.controls and between.controls.holder == between.number)
    between.send(Pause())
    wait_until(lambda: between.state.status == "paused")
    between.close()
    with attach(run_folder, columns=120, rows=40) as second:
        second.wait_for("paused", "candidates: step", "Go on")
        second.press("+")
        second.wait_for("alpha 0.75")
        second.press("space")
        second.wait_for("finished")
        second.press("q")
        assert second.wait_exit() == 0
        assert second.attributes == second.attributes_before
        assert "test (95 %)" in second.text
    events = read_journal(run_folder).events
    edited = next(e for e in events if isinstance(e, ev.Edited))
    steered = {e.step: e.alpha for e in events if isinstance(e, ev.SteeringPrepared)}
    assert steered and set(steered.values()) == {0.5, 0.75}
    assert all((alpha == 0.75) == (step >= edited.step) for step, alpha in steered.items())
    assert "run-reopened" not in kinds(run_folder)
    assert kinds(run_folder)[-1] == "run-finished"
    names = sorted(p.name for p in run_folder.iterdir())
    assert names == ["config.toml", EVENTS, "log.txt", PREDICTIONS, "summary.json"]


def test_detached_while_paused_attached_again_and_stopped_from_outside(run_folder: Path) -> None:
    with Terminal(demo(run_folder, "steps=50"), columns=80, rows=24) as terminal:
        terminal.wait_for("proposing")
        terminal.press("space")
        terminal.wait_for("paused")
        terminal.press("q")
        terminal.wait_for("Detach")
        terminal.press("d")
        assert terminal.wait_exit() == 0
        assert terminal.attributes == terminal.attributes_before
        assert f"glov attach {run_folder}" in terminal.text.replace("\n", "")
    assert (run_folder / SOCKET).stat().st_mode & 0o777 == 0o600
    listed = json.loads(called("runs", str(run_folder), "--json").stdout)
    assert listed[0]["status"] == "paused"
    with attach(run_folder) as terminal:
        terminal.wait_for("paused", "Go on")
        terminal.press("space")
        terminal.wait_for("running")
        done = called("stop", str(run_folder))
        assert done.returncode == 0 and "glov resume" in done.stderr
        terminal.wait_for("Stopped", "stopped")
        terminal.press("q")
        assert terminal.wait_exit() == 130
    assert kinds(run_folder)[-1] == "run-stopped"
    assert called("stop", str(run_folder)).returncode == 2


def test_two_screens_and_one_that_has_the_controls(run_folder: Path) -> None:
    arguments = ["demo", "--run-dir", str(run_folder), "--set", "steps=200", "--detach", "--json"]
    done = called(*arguments)
    assert done.returncode == 0, done.stderr
    started = json.loads(done.stdout)
    assert started["folder"] == str(run_folder) and is_driven(run_folder)
    with attach(run_folder) as first:
        first.wait_for("Pause")
        with attach(run_folder) as second:
            second.wait_for("watching", "Take controls")
            first.wait_for("2 screens")
            second.press("space", "c")
            second.wait_for("You have the controls")  # and then the keys again
            first.wait_for("took the controls at", "takes them back")
            second.wait_for("Pause")
            first.wait_for("watching")
            second.wait_for("running")
            second.press("space")
            first.wait_for("paused")
            second.kill(signal.SIGKILL)  # as when its machine goes
            first.wait_for("You have the controls")
            first.wait_for("Go on")
        first.press("ctrl+c", "ctrl+c")
        assert first.wait_exit() == 0
    assert kinds(run_folder).count("run-paused") == 1
    os.kill(started["pid"], signal.SIGTERM)
    wait_until(lambda: not is_driven(run_folder))
    with Terminal(glov("resume", str(run_folder)), columns=80, rows=24) as terminal:
        terminal.wait_for("running")
        terminal.kill(signal.SIGKILL)  # the screen's process alone
        terminal.wait_exit()
    assert is_driven(run_folder)
    assert called("stop", str(run_folder)).returncode == 0
    assert kinds(run_folder)[-1] == "run-stopped"


def test_headless_outlives_its_terminal_and_can_be_attached_to(run_folder: Path) -> None:
    arguments = [*demo(run_folder, "steps=100"), "--headless"]
    with Terminal(arguments, columns=80, rows=24) as first:
        first.wait_until(lambda: re.search(r"step [1-9]\d?/100", first.text), "a step")
        first.hang_up()
        with attach(run_folder) as second:
            second.wait_for("running", "Pause")
            stop_and_quit(second)
    assert kinds(run_folder)[-1] == "run-stopped"
    assert "Traceback" not in (run_folder / LOG).read_text()


def test_a_sweep_outlives_its_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sizes = ["--set", "steps=4", "--set", "data.shots=1", "--grid", "seed=0:2"]
    options = [*sizes, "--sweep-dir", str(folder), "--headless"]
    with Terminal(glov("sweep", "demo", *options)) as terminal:
        terminal.wait_for("run 1 of 2")
        terminal.hang_up()
        log = folder / LOG
        wait_until(lambda: log.exists() and "glov compare" in log.read_text())
    listed = json.loads(called("runs", str(folder), "--json").stdout)
    assert [run["status"] for run in listed] == ["finished", "finished"]


def test_a_sweep_on_a_screen_is_left_come_back_to_and_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sizes = ["--set", "steps=100", "--set", "data.shots=1", "--grid", "seed=0:2"]
    command = glov("sweep", "demo", *sizes, "--sweep-dir", str(folder))
    with Terminal(command, columns=80, rows=24) as terminal:
        terminal.wait_for("0 of 2 runs", "seed=0", "running", "waiting")
        terminal.press("enter")  # the run, with its controls
        terminal.wait_for("templates", "Pause")
        terminal.press("q")
        terminal.wait_for("Detach")
        terminal.press("d")
        terminal.wait_for("0 of 2 runs", "1 under way")
        terminal.hang_up()
        with attach(folder, columns=80, rows=24) as second:
            second.wait_for("sweeping", "seed=0", "running")
            second.press("q")
            second.wait_for("Stop and quit")
            second.press("d")
            assert second.wait_exit() == 0
            assert "the sweep goes on" in second.text and "glov stop" in second.text
    stopped = called("stop", str(folder))
    assert stopped.returncode == 0 and "goes on" in stopped.stderr
    listed = json.loads(called("runs", str(folder), "--json").stdout)
    assert [run["status"] for run in listed] == ["stopped"]
    again = called("stop", str(folder))
    assert again.returncode == 2 and "no `glov sweep` is at work" in again.stderr


def test_a_run_that_can_not_be_written_is_refused_without_a_traceback(run_folder: Path) -> None:
    write_run(run_folder, curve=(40, 60), finished=False)
    (run_folder / LOG).mkdir()  # for root too
    with Terminal(glov("resume", str(run_folder)), columns=80, rows=24) as terminal:
        assert terminal.wait_exit() == 2
        said = terminal.text.replace("\n", "")
        assert "log.txt can't be written: Is a directory" in said and "Traceback" not in said


def test_a_run_of_another_host_is_followed_by_its_journal(run_folder: Path) -> None:
    write_run(run_folder, curve=(40, 60), finished=False)
    (run_folder / OWNER).write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    before = {path.name for path in run_folder.iterdir()}
    with attach(run_folder, columns=80, rows=24) as terminal:
        terminal.wait_for("following", "step 1/2")
        terminal.press("q")
        assert terminal.wait_exit() == 0
    assert {path.name for path in run_folder.iterdir()} == before

"""The terminal's descriptors and signals, with a small app on a real pty."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glov_tui.terminal.end_signals import EndSignals
from tests.support import ROOT
from tests.support.terminal import Terminal

APP = [sys.executable, str(ROOT / "tests" / "support" / "tty_app.py")]
MOUSE_PASTE_FOCUS = {1000, 1002, 1003, 1004, 1006, 1015, 1016, 2004, 2048}

Start = Callable[..., Terminal]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


@pytest.fixture
def start(log: Path) -> Start:
    running: list[Terminal] = []

    def started(*modes: str, ready: str = "ready", **options: object) -> Terminal:
        terminal = Terminal([*APP, str(log), *modes], **options)
        running.append(terminal)
        if ready:
            terminal.wait_for(ready)
        return terminal

    yield started
    for terminal in running:
        terminal.close()


def assert_sane(terminal: Terminal) -> None:
    assert terminal.attributes == terminal.attributes_before
    assert not terminal.alternate_screen
    assert not terminal.modes & MOUSE_PASTE_FOCUS
    assert terminal.cursor_shown


def beats(log: Path) -> tuple[int, float]:
    """How often the event loop ran, and the longest time between two turns in seconds."""
    lines = [line.split() for line in log.read_text().splitlines() if line.startswith("beat ")]
    return (int(lines[-1][1]), float(lines[-1][3])) if lines else (0, 0.0)


NOISE = ("C-OUT", "C-ERR", "CHILD-OUT", "CHILD-ERR", "PRINT", "WARN")


def test_noise_goes_to_the_log_while_the_screen_is_up(start: Start, log: Path) -> None:
    terminal = start()
    terminal.press("n")
    terminal.wait_for("noise made")
    assert all(f"{name}-DURING" in log.read_text() for name in NOISE)
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert all(f"{name}-AFTER" in terminal.text for name in NOISE)
    assert b"DURING" not in terminal.raw
    assert "AFTER" not in log.read_text()
    assert_sane(terminal)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_the_app_cleanly(start: Start, name: str) -> None:
    terminal = start()
    assert terminal.alternate_screen
    assert terminal.attributes != terminal.attributes_before
    terminal.kill(signal.Signals[name])
    assert terminal.wait_exit() == 0
    assert f"result {name}" in terminal.text
    assert_sane(terminal)


def test_a_signal_before_the_app_runs_is_kept_for_it(start: Start) -> None:
    terminal = start("early", ready="")
    assert terminal.wait_exit() == 0
    assert "result SIGTERM" in terminal.text
    assert_sane(terminal)


def test_a_signal_that_nobody_heard_ends_the_process_afterwards(start: Start) -> None:
    terminal = start("unattended")
    terminal.kill(signal.SIGTERM)
    terminal.press("c")
    terminal.wait_for("count 1")
    terminal.press("q")
    assert terminal.wait_exit() == -signal.SIGTERM
    assert_sane(terminal)


def test_insisting_ends_a_process_that_hangs(start: Start, log: Path) -> None:
    terminal = start("blocked", ready="")
    terminal.wait_until(lambda: log.exists() and "blocked" in log.read_text())

    def insist() -> bool:
        terminal.kill(signal.SIGTERM)
        return not terminal.alternate_screen

    terminal.wait_until(insist, "the main screen")
    assert terminal.wait_exit() == -signal.SIGTERM
    assert_sane(terminal)


def test_a_crash_of_the_app_leaves_a_sane_terminal_and_a_traceback(start: Start, log: Path) -> None:
    terminal = start()
    terminal.press("x")
    assert terminal.wait_exit() == 0
    assert "result None" in terminal.text
    assert "failed on purpose" in log.read_text()
    assert_sane(terminal)


def test_a_terminal_that_textual_left_in_disorder_is_put_right(start: Start) -> None:
    terminal = start("unrestored")
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert_sane(terminal)


def test_suspending_to_the_shell_and_coming_back(start: Start, log: Path) -> None:
    command = " ".join([*APP, str(log)])
    shell = ["bash", "--norc", "-c", f"set -m; {command}; echo STOPPED $?; fg; echo BACK"]
    with Terminal(shell) as terminal:
        terminal.wait_for("ready")
        terminal.press("z")
        terminal.wait_until(lambda: b"STOPPED 14" in terminal.raw)  # 128 + SIGSTOP or SIGTSTP
        terminal.wait_until(lambda: terminal.alternate_screen)
        terminal.press("c")
        terminal.wait_for("count 1")
        terminal.press("q")
        terminal.wait_for("result None", "BACK")
        assert terminal.wait_exit() == 0
        assert_sane(terminal)


def test_leaving_waits_for_no_key(start: Start) -> None:
    terminal = start("patient")
    terminal.press("q")
    terminal.wait_for("result None")
    assert terminal.wait_exit() == 0
    assert_sane(terminal)


def test_keys_are_not_taken_by_a_library_that_asks(start: Start) -> None:
    terminal = start()
    terminal.press("i")
    terminal.wait_for("nobody there")


def test_a_byte_that_is_no_utf8_does_not_end_the_app(start: Start) -> None:
    terminal = start()
    terminal.send(b"\xff\xe9")  # the key after it may be lost with it, no more
    terminal.wait_until(lambda: terminal.press("c") or "count" in terminal.text)


def test_the_size_is_the_terminals_whatever_the_environment_says(start: Start, log: Path) -> None:
    terminal = start(columns=90, rows=30, env={"COLUMNS": "40", "LINES": "10"}, ready="90x30")
    assert "mounted 90 30" in log.read_text()  # laid out once, for the right size
    terminal.resize(70, 20)
    terminal.wait_until(lambda: terminal.press("c") or "70x20" in terminal.text)


def test_only_a_redraw_writes_what_is_there_already(start: Start) -> None:
    terminal = start()
    terminal.press("c")
    terminal.wait_for("count 1")
    before = len(terminal.raw)
    terminal.press("p", "c")  # repaints the screen
    terminal.wait_for("count 2")
    painted = len(terminal.raw)
    assert painted - before < 200
    terminal.press("r")
    terminal.wait_until(lambda: len(terminal.raw) - painted > 80 * 24, "a whole screen")


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LC_ALL": None, "LANG": "C"}])
def test_a_c_locale_gets_ascii_of_the_same_width(start: Start, env: dict[str, str | None]) -> None:
    terminal = start(env=env)
    terminal.wait_for("-| # e ??")
    assert terminal.raw.isascii()


# -- an editor ---------------------------------------------------------------------------------


def editor(folder: Path, script: str) -> dict[str, str]:
    """An environment whose editor is this shell script; the file is ``$1``."""
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"VISUAL": str(path)}


def test_the_editor_has_the_terminal(start: Start, log: Path, tmp_path: Path) -> None:
    script = """
    for fd in 0 1 2; do test -t $fd && echo "fd $fd is a terminal"; done
    stty size
    read answer
    echo "$answer" > "$1"
    """
    terminal = start(env=editor(tmp_path, script))
    terminal.press("e")
    terminal.wait_for("fd 0 is a terminal", "fd 1 is a terminal", "fd 2 is a terminal", "24 80")
    assert not terminal.alternate_screen
    terminal.wait_until(lambda: "CHATTER" in log.read_text())
    terminal.press("ctrl+c")  # ends this editor, not the app
    terminal.wait_for("edited: None")
    terminal.press("e")
    terminal.wait_for("fd 2 is a terminal")
    terminal.send("typed\n")
    terminal.wait_for("edited: typed")
    assert terminal.alternate_screen
    assert b"CHATTER" not in terminal.raw
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert_sane(terminal)


def test_an_editor_that_leaves_the_terminal_raw(start: Start, tmp_path: Path) -> None:
    terminal = start(env=editor(tmp_path, "stty raw -echo; echo changed > $1"))
    terminal.press("e")
    terminal.wait_for("edited: changed")
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert_sane(terminal)


def test_sigterm_ends_an_open_editor_too(start: Start, tmp_path: Path) -> None:
    terminal = start(env=editor(tmp_path, "echo editing; read forever"))
    terminal.press("e")
    terminal.wait_for("editing")
    terminal.kill(signal.SIGTERM)
    assert terminal.wait_exit() == 0
    assert "result SIGTERM" in terminal.text
    assert_sane(terminal)


def test_a_signal_while_the_child_is_being_started_reaches_it() -> None:
    signals = EndSignals(lambda: None)
    with signals, signals.for_child() as tell:
        child = subprocess.Popen(["sleep", "60"])
        os.kill(os.getpid(), signal.SIGTERM)  # before anybody knows the child
        tell(child)
        assert child.wait(10) == -signal.SIGTERM
        signals._waiting.clear()  # or it would end the tests


def test_a_missing_editor_is_said_on_the_screen(start: Start) -> None:
    terminal = start(env={"VISUAL": "no-such-editor -w"})
    terminal.press("e")
    terminal.wait_for("no program 'no-such-editor'", "edited: None")


# -- a terminal that does not read, or is gone -------------------------------------------------


def test_a_terminal_that_stops_reading_stops_only_the_screen(start: Start, log: Path) -> None:
    terminal = start("flood", columns=120, rows=40)
    terminal.kib_per_second = 0
    begun, cpu = beats(log)[0], terminal.cpu_seconds()
    terminal.press("c")
    terminal.wait_until(lambda: beats(log)[0] >= begun + 50, "five seconds of the event loop")
    assert beats(log)[1] < 1.5  # a blocked loop would have waited for all of the five seconds
    assert terminal.cpu_seconds() - cpu < 1.5
    terminal.kib_per_second = None
    terminal.wait_for("count 1")  # what changed meanwhile is there
    terminal.press("c")
    terminal.wait_for("count 2")
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert_sane(terminal)


def test_sigterm_with_a_terminal_that_does_not_read(start: Start, log: Path) -> None:
    terminal = start("flood", columns=120, rows=40)
    terminal.kib_per_second = 0
    begun = beats(log)[0]
    terminal.wait_until(lambda: beats(log)[0] >= begun + 5)
    terminal.kill(signal.SIGTERM)
    # The screen is given up; what the process prints at its end still waits for the terminal.
    terminal.wait_until(lambda: "told SIGTERM" in log.read_text())
    terminal.wait_until(lambda: terminal.attributes == terminal.attributes_before)


@pytest.mark.parametrize("modes", [(), ("nohup",)])
def test_a_terminal_that_is_gone_ends_the_screen_and_not_the_process(
    start: Start, log: Path, modes: tuple[str, ...]
) -> None:
    terminal = start(*modes)
    terminal.hang_up()
    assert terminal.wait_exit() == 0
    text = log.read_text()
    assert "told SIGHUP" in text
    assert "result SIGHUP" in text  # printing does not fail either
    assert all(f"{name}-AFTER" in text for name in NOISE)


def test_without_a_terminal_there_is_no_screen(log: Path) -> None:
    import subprocess

    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*APP, str(log)], stdin=subprocess.DEVNULL, capture_output=True, env=env)
    assert done.returncode == 1
    assert b"the cockpit needs a terminal" in done.stderr
    assert not log.exists()

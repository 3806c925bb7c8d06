"""Told when away by a real terminal: who is not there is told, and all is cleared after it."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.run_folder import QUIET
from tests.support.command import demo, demo_arguments, glov
from tests.support.terminal import Terminal

AWAY, BACK = "\x1b[O", "\x1b[I"  # as terminals report the focus (mode 1004)
PROGRESS = re.compile(rb"\x1b\]9;4;(\d);(\d+)\x07")
GHOSTTY = {"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.2.0"}
KITTY: dict[str, str | None] = {"TERM": "xterm-kitty", "TERM_PROGRAM": None}
_LEFT_OVER = ("TMUX", "STY", "LC_TERMINAL", "WT_SESSION", "ConEmuANSI")


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "settings"
    folder.mkdir(mode=0o700)
    (folder / "config.toml").write_text("[notify]\nevery = 0\n")
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(folder))
    for name in _LEFT_OVER:
        monkeypatch.delenv(name, raising=False)


def shown(folder: Path, env: dict[str, str | None], *overrides: str) -> Terminal:
    return Terminal(demo(folder, *overrides), columns=100, rows=30, env=env)


def progresses(terminal: Terminal) -> list[tuple[int, int]]:
    return [(int(s), int(p)) for s, p in PROGRESS.findall(bytes(terminal.raw))]


def finish(terminal: Terminal) -> None:
    terminal.press("q")
    terminal.wait_exit()


def test_who_looks_elsewhere_is_told_and_who_is_there_is_not(run_folder: Path) -> None:
    with shown(run_folder, KITTY, "steps=4") as terminal:
        terminal.wait_for("♪")
        terminal.send(AWAY)
        terminal.wait_until(lambda: b"\x1b]99;" in terminal.raw, "a notification")
        terminal.wait_until(lambda: b": finished\x07" in terminal.raw, "the end is told")
        titles = re.findall(rb"\x1b\]99;i=glov-\d+:d=0;glov run: ([a-z ]+)\x07", terminal.raw)
        assert titles[-1] == b"finished"
        assert not progresses(terminal), "kitty shows none"
        finish(terminal)


def test_who_is_there_is_told_nothing(run_folder: Path) -> None:
    with shown(run_folder, KITTY, "steps=3") as terminal:
        terminal.wait_for("♪")
        terminal.send(AWAY + BACK)
        terminal.wait_for("Test accuracy")
        finish(terminal)
        assert b"\x1b]99;" not in terminal.raw


@pytest.mark.parametrize("env", [{}, {"TERM": "dumb"}], ids=["unknown", "dumb"])
def test_an_unknown_terminal_gets_nothing(run_folder: Path, env: dict[str, str | None]) -> None:
    with shown(run_folder, {"TERM_PROGRAM": None, **env}, "steps=2") as terminal:
        terminal.wait_for("running")
        terminal.send(AWAY)
        terminal.wait_for("Test accuracy")
        terminal.press("A")
        terminal.wait_for("Nothing tells you here")
        finish(terminal)
        assert not re.search(rb"\x1b\](?:9|99|777);", terminal.raw)


def test_the_progress_goes_with_the_run_and_is_cleared_at_the_end(run_folder: Path) -> None:
    with shown(run_folder, {**GHOSTTY}, "steps=4") as terminal:
        terminal.wait_until(lambda: (1, 50) in progresses(terminal), "half of it")
        terminal.press("space")
        terminal.wait_for("paused")
        terminal.wait_until(lambda: progresses(terminal)[-1][0] == 4, "that it holds")
        terminal.press("space")
        terminal.wait_for("Test accuracy")
        terminal.wait_until(lambda: progresses(terminal)[-1] == (0, 0), "no progress any more")
        finish(terminal)
        assert progresses(terminal)[-1] == (0, 0)


def test_a_screen_that_ends_in_the_middle_clears_it(run_folder: Path) -> None:
    with shown(run_folder, {**GHOSTTY}, "steps=400") as terminal:
        terminal.wait_until(lambda: (1, 0) in progresses(terminal), "the progress")
        terminal.kill(signal.SIGTERM)
        terminal.wait_exit()
        assert progresses(terminal)[-1] == (0, 0)


def test_a_failure_shows_and_is_told(run_folder: Path) -> None:
    with shown(run_folder, {**GHOSTTY}, "steps=400") as terminal:
        terminal.wait_until(lambda: (1, 0) in progresses(terminal), "the progress")
        terminal.send(AWAY)
        run_folder.rename(run_folder.with_name("moved"))
        terminal.wait_until(lambda: b": failed;" in terminal.raw, "that it is told")
        terminal.wait_until(lambda: progresses(terminal)[-1][0] == 2, "the error")
        finish(terminal)
        assert progresses(terminal)[-1] == (0, 0)


def test_ctrl_z_clears_it_and_fg_brings_it_back(run_folder: Path) -> None:
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Terminal(shell, columns=100, rows=30, env={**GHOSTTY}) as terminal:
        arguments = demo_arguments(run_folder, "steps=400")
        terminal.send(shlex.join(glov(*arguments)) + "\r")
        terminal.wait_until(lambda: (1, 0) in progresses(terminal), "the progress")
        terminal.press("space")
        terminal.wait_for("paused")
        terminal.wait_until(lambda: progresses(terminal)[-1][0] == 4, "that it holds")
        terminal.press("ctrl+z")
        terminal.wait_for("Stopped")
        assert progresses(terminal)[-1] == (0, 0)
        before = len(progresses(terminal))
        terminal.send("fg\r")
        terminal.wait_until(lambda: len(progresses(terminal)) > before, "the progress again")
        assert progresses(terminal)[-1][0] == 4

        def leaves() -> bool:  # a key that comes too early is the shell's
            terminal.press("q")
            return "Detach" in terminal.text

        terminal.wait_until(leaves, "the question")
        terminal.press("s")
        terminal.wait_until(lambda: not terminal.alternate_screen, "the shell")
        assert progresses(terminal)[-1] == (0, 0)


def test_one_key_turns_all_off_and_the_next_screen_knows(run_folder: Path) -> None:
    with shown(run_folder, {**GHOSTTY}, "steps=400") as terminal:
        terminal.wait_until(lambda: (1, 0) in progresses(terminal), "the progress")
        terminal.press("A")
        terminal.wait_for("♪ off", "off for this run")
        assert (run_folder / QUIET).exists()
        terminal.wait_until(lambda: progresses(terminal)[-1] == (0, 0), "no progress any more")
        terminal.press("q")
        terminal.wait_for("Detach")
        terminal.press("d")
        terminal.wait_exit()
    with Terminal(glov("attach", str(run_folder)), columns=80, rows=24, env={**GHOSTTY}) as other:
        other.wait_for("♪ off")
        other.press("A")
        other.wait_for("OSC 777", "progress bar")
        other.wait_until(lambda: progresses(other), "the progress")
        assert not (run_folder / QUIET).exists()
        other.press("q")
        other.wait_for("Detach")
        other.press("s")
        other.wait_exit()


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here")
    socket = tmp_path / "tmux"
    conf = tmp_path / "tmux.conf"
    conf.write_text("set -g allow-passthrough on\nset -g focus-events on\n")
    command = ["tmux", "-S", str(socket), "-f", str(conf)]
    yield command
    subprocess.run([*command, "kill-server"], capture_output=True)


ITERM: dict[str, str | None] = {
    "TERM": "xterm-256color",
    "TERM_PROGRAM": None,
    "LC_TERMINAL": "iTerm2",
}
TOLD_THROUGH = re.compile(rb"\x1b\]9;glov run: finished: [^\x07]*\x07")


def test_through_one_tmux_in_another(run_folder: Path, tmux: list[str], tmp_path: Path) -> None:
    inner = [*tmux[:2], str(tmp_path / "inner"), *tmux[3:]]
    own = shlex.join([*inner, "new-session", shlex.join(demo(run_folder, "steps=4"))])
    try:
        nested = [*tmux, "new-session", f"env -u TMUX {own}"]
        with Terminal(nested, columns=100, rows=30, env=ITERM) as terminal:
            terminal.wait_for("♪")
            terminal.send(AWAY)
            terminal.wait_until(
                lambda: TOLD_THROUGH.search(terminal.raw), "the notification, by both"
            )
            assert b"Ptmux" not in terminal.raw
    finally:
        subprocess.run([*inner, "kill-server"], capture_output=True)


def test_through_gnu_screen_which_tells_no_focus(run_folder: Path, tmp_path: Path) -> None:
    if shutil.which("screen") is None:
        pytest.skip("no screen here")
    (tmp_path / "settings" / "config.toml").write_text("[notify]\nevery = 0\nalways = true\n")
    sockets = tmp_path / "s"
    sockets.mkdir(mode=0o700)
    env = {**ITERM, "SCREENDIR": str(sockets)}
    command = ["screen", "-U", "-c", "/dev/null", *demo(run_folder, "steps=2")]
    with Terminal(command, columns=100, rows=30, env=env) as terminal:
        terminal.wait_until(lambda: TOLD_THROUGH.search(terminal.raw), "the notification")
        assert b"]9;4;" not in terminal.raw
        finish(terminal)


def test_through_tmux(run_folder: Path, tmux: list[str]) -> None:
    env: dict[str, str | None] = {
        "TERM": "xterm-256color",
        "TERM_PROGRAM": None,
        "LC_TERMINAL": "iTerm2",
    }
    inner = shlex.join(demo(run_folder, "steps=4"))
    with Terminal([*tmux, "new-session", inner], columns=100, rows=30, env=env) as terminal:
        terminal.wait_for("♪")
        terminal.send(AWAY)
        told = re.compile(rb"\x1b\]9;glov run: finished: [^\x07]*\x07")
        terminal.wait_until(lambda: told.search(terminal.raw), "the notification, by tmux")
        assert b"Ptmux" not in terminal.raw and b"]9;4;" not in terminal.raw

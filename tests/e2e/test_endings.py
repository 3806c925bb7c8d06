"""Whatever became of a run, one sentence says what is so and what to type."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from engine.storage.journal import is_driven, read_journal
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS, LOG, SOCKET
from tests.support.command import attach, called, demo_arguments
from tests.support.patience import wait_until
from tests.support.written_runs import write_run


def detached(folder: Path) -> None:
    """A run that is at work and that no screen looks at."""
    done = called(*demo_arguments(folder, "steps=500"), "--detach")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: b"step-started" in (folder / EVENTS).read_bytes())


def status(folder: Path) -> str:
    (run,) = json.loads(called("runs", str(folder), "--json").stdout)
    return str(run["status"])


def one_sentence(command: str, folder: Path) -> str:
    """What a command that can't do its work says: one line, no traceback."""
    done = called(command, str(folder))
    lines = done.stderr.strip().splitlines()
    assert done.returncode != 0 and len(lines) == 1, done.stderr
    return lines[0]


def test_a_screen_whose_engine_was_killed_says_so_and_what_to_type(run_folder: Path) -> None:
    detached(run_folder)
    with attach(run_folder, columns=120, rows=40) as terminal:
        terminal.wait_for("Pause")
        os.kill(int(json.loads((run_folder / OWNER).read_text())["pid"]), signal.SIGKILL)
        terminal.wait_for("ended without a word", "■ interrupted")  # as `glov runs` says below
        assert "failed" not in terminal.lines[0]
        terminal.press("q")
        terminal.wait_exit()
        assert "Nothing is lost, `glov resume" in " ".join(terminal.text.split())
    assert status(run_folder) == "interrupted"
    assert f"`glov resume {run_folder}` goes on" in one_sentence("stop", run_folder)
    with attach(run_folder, columns=300, rows=40) as terminal:
        terminal.wait_exit()
        assert "no engine is at work on it; `glov resume" in terminal.text


def test_a_run_whose_folder_was_moved_stops_and_says_so_where_it_went(run_folder: Path) -> None:
    detached(run_folder)
    moved = run_folder.with_name("moved")
    with attach(run_folder, columns=120, rows=40) as terminal:
        terminal.wait_for("Pause")
        run_folder.rename(moved)
        terminal.wait_for("The run failed")
        terminal.press("q")
        terminal.wait_exit()
        assert "was deleted or moved" in " ".join(terminal.text.split())
    wait_until(lambda: not is_driven(moved))
    wait_until(lambda: "was deleted or moved" in (moved / LOG).read_text())
    assert status(moved) == "interrupted"
    assert f"`glov resume {moved}` goes on" in one_sentence("stop", moved)
    assert "no run there" in one_sentence("stop", run_folder)
    assert read_journal(moved).events[-1].kind != "run-finished"


def test_after_a_reboot_a_run_is_interrupted_and_says_what_goes_on(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", finished=False)
    # What a machine that lost its power leaves: an owner that is another process by now, and a
    # socket that nobody listens at.
    owner = {"pid": os.getpid(), "host": os.uname().nodename}
    (folder / OWNER).write_text(json.dumps(owner))
    (folder / SOCKET).unlink(missing_ok=True)
    assert status(folder) == "interrupted"
    assert f"`glov resume {folder}` goes on" in one_sentence("stop", folder)
    with attach(folder, columns=300, rows=24) as terminal:
        terminal.wait_exit()
        assert "no engine is at work on it; `glov resume" in terminal.text
    os.kill(os.getpid(), 0)  # nobody was signalled

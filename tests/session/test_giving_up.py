"""A run that is told to stop while libraries load its models, which nothing can interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.remote.process import start_engine
from engine.remote.stopping import stop_engine
from engine.run.commands import InjectTemplate, MakeEdit, Pause, Stop, WriteNote
from engine.run.edits import SetOption
from engine.search.meta_prompt import BUILT_IN
from engine.session.local import LocalSession
from engine.storage.journal import Journal, is_driven, read_journal, read_state
from engine.storage.run_folder import EVENTS, SOCKET
from tests.support.patience import CEILING_SECONDS
from tests.support.small_runs import demo, drive, outcome


class Stuck:
    """A load that goes on until it is let go, and fails then."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> None:
        self.begun.set()
        self.let_go.wait(CEILING_SECONDS)
        raise ValueError("nobody is to hear of this")


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    made = Stuck()
    monkeypatch.setattr("engine.session.local.load_search", made)
    yield made
    made.let_go.set()


def test_a_load_is_given_up_and_has_no_say_any_more(
    run_folder: Path, stuck: Stuck, kept: Kept, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard: list[object] = []
    monkeypatch.setattr("threading.excepthook", unheard.append)
    session = LocalSession.create(demo(), run_folder, kept=kept)
    session.start()
    assert stuck.begun.wait(CEILING_SECONDS) and not session.wait(0.0)
    session.send(Stop())
    assert session.is_told_to_stop and session.wait(CEILING_SECONDS) and session.ended
    assert session.state.status == "stopped"
    assert read_journal(run_folder).events[-1].kind == "run-stopped"
    assert not is_driven(run_folder)
    written = (run_folder / EVENTS).read_bytes()
    stuck.let_go.set()
    session._thread.join(CEILING_SECONDS)
    assert (run_folder / EVENTS).read_bytes() == written and not unheard
    assert session.state.status == "stopped"
    monkeypatch.undo()
    drive(LocalSession.resume(run_folder, kept=kept))
    assert outcome(run_folder) == outcome(undisturbed)


@pytest.mark.parametrize("ends", ["stopped", "failed"])
def test_what_was_asked_for_while_models_loaded_counts_when_the_run_goes_on(
    run_folder: Path, stuck: Stuck, kept: Kept, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    session = LocalSession.create(demo(), run_folder, kept=kept)
    session.start()
    assert stuck.begun.wait(CEILING_SECONDS)
    session.send(MakeEdit(edit=SetOption(key="steering.alpha", value=0.125), author="me"))
    session.send(InjectTemplate(text="a drawing of a <category>", author="me"))
    session.send(WriteNote(text="what for"))
    if ends == "stopped":
        session.send(Stop())
    else:
        stuck.let_go.set()
    assert session.wait(CEILING_SECONDS) and session.state.status == ends
    left = read_state(run_folder)
    assert [note.text for note in left.notes] == ["what for"] and len(left.pending) == 1
    assert [waiting.template for waiting in left.waiting] == ["a drawing of a <category>"]
    assert not session.send(Pause())
    monkeypatch.undo()
    drive(LocalSession.resume(run_folder, kept=kept))
    state = read_state(run_folder)
    assert state.config is not None and state.config.steering.alpha == 0.125
    assert state.find("a drawing of a <category>") is not None


def test_a_load_is_waited_for_where_nobody_said_stop(run_folder: Path, stuck: Stuck) -> None:
    session = LocalSession.create(demo(), run_folder)
    session.start()
    assert stuck.begun.wait(CEILING_SECONDS)
    assert not session.wait(1.0) and session.state.status != "stopped"
    stuck.let_go.set()
    assert session.wait(CEILING_SECONDS) and session.state.status == "failed"


@pytest.fixture
def hanging(run_folder: Path, tmp_path: Path) -> Path:
    """A run whose load waits for a pipe that nobody writes."""
    file = tmp_path / "m.jinja"
    file.write_text(BUILT_IN.read_text())
    Journal.begin(demo(f"proposal.template_file={file}"), run_folder).close()
    file.unlink()
    os.mkfifo(file)
    return run_folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ctrl_c_ends_a_command_whatever_it_loads(hanging: Path, number: int) -> None:
    command = [sys.executable, "-m", "glov_tui", "resume", str(hanging), "--headless"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (hanging / SOCKET).exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopping at the next safe point" in said and "go on with: glov resume" in said
    assert "Traceback" not in said and "Fatal" not in said
    assert read_state(hanging).status == "stopped"


def test_an_engine_that_loads_is_stopped_from_outside(hanging: Path) -> None:
    process = start_engine(hanging)
    stop_engine(hanging, 60)
    assert process.wait() == 1
    assert read_state(hanging).status == "stopped" and not (hanging / SOCKET).exists()

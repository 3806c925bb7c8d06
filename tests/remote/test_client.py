"""A screen of a run that is driven elsewhere, when that process is not what one would wish."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.common.errors import JournalError
from engine.common.kept import Kept
from engine.common.versions import own_versions
from engine.remote import address, client
from engine.remote.client import RemoteSession
from engine.remote.controls import Controls
from engine.remote.driver import Driver, NotDone
from engine.remote.messages import (
    LONGEST_LINE,
    PROTOCOL_VERSION,
    ControlsChanged,
    Greeting,
    format_line,
)
from engine.remote.server import ControlServer
from engine.remote.stopping import stop_engine
from engine.run import events as ev
from engine.run.commands import InjectTemplate, Pause, Resume, Stop, WriteNote
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import Journal, read_state
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS, LOG, SOCKET
from tests.support.patience import CEILING_SECONDS, wait_until
from tests.support.screens import At, plain, served
from tests.support.small_runs import demo

GREETING = format_line(Greeting(glov="1.0", pid=1))
CONTROLS = format_line(ControlsChanged(you=1, controls=Controls().joined(1, "one")))


# -- an engine that says what the test tells it to ------------------------------------------------


@contextlib.contextmanager
def engine_that_says(folder: Path, *said: bytes, stays: bool = False) -> Iterator[None]:
    """One that drives the run and says this to each that connects in turn, then closes.

    With ``stays`` it keeps the last connection, and else says the last to all that follow.
    """
    journal = Journal(folder)
    listener = address.listen(folder)
    kept = []

    def main() -> None:
        for number in range(10_000):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            last = number >= len(said) - 1
            with contextlib.suppress(OSError):
                connection.sendall(said[-1] if last else said[number])
            if last and stays:
                kept.append(connection)
            else:
                connection.close()

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    try:
        yield
    finally:
        journal.abandon()
        with contextlib.suppress(OSError):
            listener.shutdown(2)
        listener.close()
        thread.join(CEILING_SECONDS)
        for connection in kept:
            connection.close()
        address.remove(folder)


@pytest.fixture
def folder(undisturbed: Path, tmp_path: Path) -> Path:
    """A run's folder, with a step that is under way."""
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    lines = (folder / EVENTS).read_bytes().splitlines(keepends=True)
    (folder / EVENTS).write_bytes(b"".join(lines[: len(lines) // 2]))
    return folder


@pytest.fixture
def facts(folder: Path) -> bytes:
    return (folder / EVENTS).read_bytes()


def refusal(folder: Path) -> str:
    """Why a run can't be attached to: one clear line."""
    with pytest.raises(JournalError) as found:
        RemoteSession.attach(folder, "screen")
    assert str(found.value).isprintable()
    return str(found.value)


def test_a_run_that_nobody_drives(folder: Path) -> None:
    assert refusal(folder) == (
        f"{folder}: no engine is at work on it; `glov resume {folder}` goes on, "
        f"`glov replay {folder}` shows what was"
    )
    address.listen(folder).close()  # nor does what a killed process left change that
    assert f"glov resume {folder}" in refusal(folder)


def test_no_run(tmp_path: Path) -> None:
    assert "can't be read" in refusal(tmp_path)


def test_a_run_of_another_host_is_left_to_it_with_what_to_do(folder: Path, facts: bytes) -> None:
    """Its lock is not seen here, as on many shared file systems, nor does its socket lead there."""
    (folder / OWNER).write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    said = refusal(folder)
    assert "process 7 on elsewhere" in said and f"`glov stop {folder}`" in said
    assert f"`glov attach {folder}` here" in said and f"delete {folder / OWNER}" in said
    for refused in (stop_engine, lambda path: RemoteSession.of_new_engine(path, "screen")):
        with pytest.raises(JournalError) as found:
            refused(folder)
        assert str(found.value) == said
    assert (folder / EVENTS).read_bytes() == facts


def test_a_run_of_another_user_is_left_to_them_with_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    with address.listen(folder):
        monkeypatch.setattr("os.geteuid", lambda: 1 << 20)
        said = refusal(folder)
        assert f"process {os.getpid()} on" in said and "who alone can drive and stop it" in said
        assert f"`glov attach {folder}` follows its journal" in said
        with pytest.raises(JournalError) as found:
            stop_engine(folder)
        assert str(found.value) == said
    journal.abandon()


@contextlib.contextmanager
def at_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> Iterator[None]:
    """``act`` is called once, when somebody has found no socket."""
    connect, acted = address.connect, []

    def connected(folder: Path, seconds: float) -> socket.socket:
        try:
            return connect(folder, seconds)
        except FileNotFoundError:
            if not acted:
                acted.append(act())
            raise

    with monkeypatch.context() as patched:
        patched.setattr(address, "connect", connected)
        yield
    assert acted


def test_an_engine_that_has_only_just_begun_is_waited_for(
    folder: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has taken the run up, and reads its journal before it listens."""
    session = LocalSession.resume(folder, kept=kept)
    with contextlib.ExitStack() as stack:

        def listens() -> None:
            stack.enter_context(ControlServer(session))

        with at_a_failed_connection(monkeypatch, listens):
            RemoteSession.attach(folder, "screen").close()
    with contextlib.ExitStack() as stack:

        def begins() -> None:
            stack.enter_context(ControlServer(session))
            session.start()

        with at_a_failed_connection(monkeypatch, begins):
            stop_engine(folder)
    assert read_state(folder).status == "stopped"


def test_what_comes_after_the_engines_end_is_said_not_to_be_done(folder: Path, kept: Kept) -> None:
    """Between the end and the closing of the socket a person's screen still takes what is typed."""
    session = LocalSession.resume(folder, kept=kept)
    with ControlServer(session), Driver(folder, "a script", seconds=CEILING_SECONDS) as driver:
        session.send(Stop())
        session.start()
        assert session.wait(CEILING_SECONDS)
        with pytest.raises(NotDone, match="pause: not done, as the run has just ended"):
            driver.do(Pause())


def test_a_run_that_ends_while_it_is_told_to_stop_has_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    with at_a_failed_connection(monkeypatch, journal.close):
        stop_engine(folder)


def test_a_run_that_is_driven_without_a_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "BEGINS_SECONDS", 0.1)
    journal = Journal(folder)
    said = refusal(folder)
    assert f"{folder} is being driven by process {os.getpid()} on" in said
    assert "can't be attached to" in said
    with pytest.raises(JournalError, match=f"process {os.getpid()} .* can't be attached to"):
        RemoteSession.of_new_engine(folder, "screen")
    with address.listen(folder), pytest.raises(JournalError, match="`glov attach .*` shows it"):
        RemoteSession.of_new_engine(folder, "screen")
    journal.abandon()


def test_an_engine_of_another_protocol(folder: Path, facts: bytes) -> None:
    hello = format_line(Greeting(glov="9.9", pid=1, protocol=PROTOCOL_VERSION + 1))
    with engine_that_says(folder, hello + facts + CONTROLS, stays=True):
        said = refusal(folder)
    ours = PROTOCOL_VERSION
    assert f"driven by glov 9.9, which speaks protocol {ours + 1} and this one {ours}" in said
    assert said.endswith("use that one")


def test_an_engine_of_another_protocol_and_the_same_version(folder: Path, facts: bytes) -> None:
    version = own_versions()["glov-tui"]
    hello = format_line(Greeting(glov=version, pid=4321, protocol=PROTOCOL_VERSION + 1))
    with engine_that_says(folder, hello + facts + CONTROLS, stays=True):
        said = refusal(folder)
    assert "use that one" not in said and "glov was changed since the run started" in said
    assert "`glov stop" in said and "then `glov resume" in said


@pytest.mark.parametrize(
    "line", [b'{"kind":"dance"}', b"\xff\x00", b"[" * 9999, b'{"kind":"warned"}', b""]
)
def test_an_engine_that_is_not_understood(folder: Path, facts: bytes, line: bytes) -> None:
    with engine_that_says(folder, GREETING + facts + line + b"\n" + CONTROLS, stays=True):
        said = refusal(folder)
    assert "says what this glov does not understand" in said and "that started it" in said


def test_facts_that_can_not_follow_each_other(folder: Path, facts: bytes) -> None:
    """As telemetry that does not fit the state: an error in the fold and not in the line."""
    two = format_line(ev.TokensStreamed(step=1, attempt=1, texts=("a", "b")))
    three = format_line(ev.TokensStreamed(step=1, attempt=1, texts=("a", "b", "c")))
    with engine_that_says(folder, GREETING + two + three + CONTROLS, stays=True):
        assert "the screen lost the run" in refusal(folder)


def test_who_is_turned_away_is_told_why(folder: Path) -> None:
    full = b'{"kind":"refused","message":"16 are connected to this run already"}\n'
    with engine_that_says(folder, GREETING + full):
        said = refusal(folder)
    assert "can't be attached to" in said and said.endswith("16 are connected to this run already")


class Watched(RemoteSession):
    """Keeps all states that it has shown."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_state":
            self.__dict__.setdefault("shown", []).append(value)
        super().__setattr__(name, value)


def test_a_connection_that_breaks_is_made_again_and_nothing_half_is_shown(
    folder: Path, facts: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "AGAIN_SECONDS", 0.0)
    whole = read_state(folder)
    more = format_line(ev.Warned(message="after it was made again"))
    parts = [GREETING + facts + CONTROLS]
    parts += [(GREETING + facts)[:cut] for cut in range(0, len(facts), len(facts) // 9)]
    parts += [GREETING + facts]
    parts += [GREETING + facts + CONTROLS + more]
    with engine_that_says(folder, *parts, stays=True):
        screen = Watched.attach(folder, "screen")
        wait_until(lambda: screen.state.log[-1].text == "after it was made again")
        assert not screen.ended
        shown = [plain(state) for state in screen.shown[1:]]
        assert shown[0] == plain(whole)
        assert all(state == shown[0] or state == plain(screen.state) for state in shown)


def test_how_it_ended_is_read_also_when_a_command_is_too_late(folder: Path, facts: bytes) -> None:
    """What the screen sends meets a closed connection; what came before is in it still."""
    end = format_line(ev.RunStopped(step=1))
    with engine_that_says(folder, GREETING + facts + CONTROLS, GREETING + facts + CONTROLS + end):
        for _ in range(20):
            screen = RemoteSession(folder, "screen", RunState(), starts_engine=False)
            for _ in range(50):
                screen.send(Pause())
            screen.start()
            assert screen.wait(CEILING_SECONDS)
            assert screen.state.status == "stopped", screen.state.error


def test_how_it_ended_is_in_the_journal_where_a_screen_was_too_slow_to_be_told(
    undisturbed: Path, folder: Path, facts: bytes
) -> None:
    with engine_that_says(folder, GREETING + facts + CONTROLS):
        screen = RemoteSession.attach(folder, "screen")
        assert screen.state.status == "running" and not screen.ended
        (folder / EVENTS).write_bytes((undisturbed / EVENTS).read_bytes())
    assert screen.wait(CEILING_SECONDS) and screen.state.status == "finished"


def test_a_note_that_comes_behind_the_last_look_for_such_is_written(
    folder: Path, facts: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_that_says(folder, GREETING + facts + CONTROLS, stays=True):
        screen = RemoteSession.attach(folder, "screen")
        write, notes = screen._sent_notes.write, ["at the end"]

        def and_another(folder: Path, state: RunState) -> Iterator[ev.Event]:
            yield from write(folder, state)
            if notes:
                screen.send(WriteNote(text=notes.pop()))

        monkeypatch.setattr(screen._sent_notes, "write", and_another)
    assert screen.wait(CEILING_SECONDS)
    for state in (read_state(folder), screen.state):
        assert [note.text for note in state.notes] == ["at the end"]


def test_what_is_too_long_for_a_line_is_not_sent_and_said(folder: Path, facts: bytes) -> None:
    with engine_that_says(folder, GREETING + facts + CONTROLS, stays=True):
        screen = RemoteSession.attach(folder, "screen")
        screen.send(InjectTemplate(text="x" * LONGEST_LINE))
        wait_until(lambda: "not sent" in screen.state.log[-1].text)
        screen.close()
        assert screen.wait(CEILING_SECONDS)


def test_sending_never_waits(folder: Path) -> None:
    """Also where nobody takes it, as before the engine is there."""
    screen = RemoteSession.of_new_engine(folder, "screen")
    sent = threading.Thread(target=lambda: [screen.send(Pause()) for _ in range(2000)], daemon=True)
    sent.start()
    sent.join(CEILING_SECONDS)
    assert not sent.is_alive()


def test_a_finished_run_is_shown_without_an_engine(undisturbed: Path) -> None:
    screen = RemoteSession.of_new_engine(undisturbed, "screen")
    screen.start()
    assert screen.ended and screen.wait(0) and screen.state.status == "finished"
    assert screen.engine_pid is None


# -- a real engine, in this process and in its own ------------------------------------------------


def test_a_real_engine_that_closes_is_connected_to_again(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "AGAIN_SECONDS", 0.0)
    at = At(lambda e: isinstance(e, ev.StepStarted) and e.step == 2, Pause())
    with served(tmp_path / "run", kept, at) as session:
        screen = Watched.attach(tmp_path / "run", "screen")
        session.start()
        wait_until(lambda: screen.state.status == "paused")
        for _ in range(3):
            number = screen.number
            screen.send(Pause())  # of no effect
            screen._outgoing.append(b"\n" * 30)  # for this it is thrown out
            screen.send(Pause())
            wait_until(lambda n=number: screen.number != n)
        wait_until(lambda: plain(screen.state) == plain(session.state))
        done = [state.steps_done for state in screen.shown]
        assert done == sorted(done)
        screen.send(Resume())
        assert screen.wait(CEILING_SECONDS) and screen.state.status == "finished"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[RemoteSession]:
    """A screen and the engine's process that it has started, which loads its models."""
    folder = tmp_path / "run"
    Journal.begin(demo(), folder).close()
    screen = RemoteSession.of_new_engine(folder, "first")
    screen.start()
    wait_until(lambda: screen.engine_pid is not None)
    yield screen
    with contextlib.suppress(ProcessLookupError):
        os.kill(screen.engine_pid, signal.SIGKILL)
    screen.wait(CEILING_SECONDS)


def test_an_engine_that_is_suspended_and_then_killed(
    engine: RemoteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RemoteSession.attach(engine.folder, "other")
    assert other.engine_pid == engine.engine_pid != os.getpid()
    os.kill(engine.engine_pid, signal.SIGSTOP)
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.2)
    said = refusal(engine.folder)
    assert f"process {engine.engine_pid} on" in said and "does not answer" in said
    os.kill(engine.engine_pid, signal.SIGKILL)
    for screen in (engine, other):
        assert screen.wait(CEILING_SECONDS)
        assert screen.state.status == "failed"
        assert f"`glov resume {engine.folder}` goes on" in screen.state.error
    assert f"glov resume {engine.folder}" in refusal(engine.folder)
    again = RemoteSession.of_new_engine(engine.folder, "again")
    assert again.state.status == "loading"


def test_an_engine_outlives_who_started_it_and_ends_on_a_signal(engine: RemoteSession) -> None:
    os.kill(engine.engine_pid, signal.SIGHUP)
    os.kill(engine.engine_pid, signal.SIGTERM)
    assert engine.wait(CEILING_SECONDS)
    assert engine.state.status == "stopped" and engine.state.error is None
    assert engine._process.wait() == 1
    assert not (engine.folder / SOCKET).exists()
    assert "Traceback" not in (engine.folder / LOG).read_text()

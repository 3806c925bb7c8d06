"""A session with a socket: what screens see, who may do what, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import subprocess
import time
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.remote import address, server
from engine.remote.client import RemoteSession
from engine.remote.messages import TakeControls
from engine.remote.process import start_engine
from engine.remote.stopping import stop_engine
from engine.run import events as ev
from engine.run.commands import InjectTemplate, MakeEdit, Pause, Resume, Stop
from engine.run.edits import SetNextPrompt, SetOption
from engine.session.local import LocalSession
from engine.storage.journal import Journal, read_journal
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS, LOG, PREDICTIONS, SOCKET, SUMMARY
from tests.support.patience import CEILING_SECONDS, wait_until
from tests.support.screens import At, Screen, plain, served, shut_out
from tests.support.small_runs import demo, outcome


def paused_in(step: int) -> At:
    return At(lambda e: isinstance(e, ev.StepStarted) and e.step == step, Pause())


def to_the_pause(session: LocalSession) -> None:
    session.start()
    wait_until(lambda: session.state.status == "paused", "for the pause")


def fill_journal(holder: Screen) -> None:
    """More than the system takes for one that does not read."""
    for number in range(4):
        holder.send(MakeEdit(edit=SetNextPrompt(system="", user=f"{number}" * 200_000)))
    holder.until(lambda: len(holder.state.edits) == 4)


def test_two_screens_see_the_same_and_one_drives(
    tmp_path: Path, kept: Kept, undisturbed: Path
) -> None:
    folder = tmp_path / "run"
    with served(folder, kept, paused_in(2)) as session:
        one = RemoteSession.attach(folder, "one")
        to_the_pause(session)
        two = RemoteSession.attach(folder, "two")
        wait_until(lambda: one.state.status == "paused")
        assert plain(one.state) == plain(two.state) == plain(session.state)
        assert one.engine_pid == two.engine_pid == os.getpid()
        assert [s.name for s in one.controls.screens] == ["one", "two"]
        assert one.controls.holder == one.number != two.number

        two.send(Resume())
        wait_until(lambda: two.state.log[-1].text == "resume: one has the controls")
        assert session.state.status == "paused"
        one.send(Resume())
        for screen in (one, two):
            assert screen.wait(CEILING_SECONDS) and screen.ended
            assert screen.state.status == "finished" and screen.state.error is None
    assert plain(one.state) == plain(session.state)
    # What it was refused is all that differs for the other.
    assert two.state.ranking == session.state.ranking and two.state.tests == session.state.tests
    assert outcome(folder) == outcome(undisturbed)


def test_who_takes_the_controls_has_them_and_the_other_is_told(tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "run"
    begun = time.time()
    with (
        served(folder, kept, None, "steps=0"),
        Screen(folder, "one") as one,
        Screen(folder, "two") as two,
    ):
        two.send(TakeControls())
        for screen in (one, two):
            screen.until(lambda s=screen: s.controls.holder == two.number)
        assert begun - 1 <= one.controls.taken_at <= time.time() + 1
        one.send(Pause())
        one.until(lambda: one.refused == ["pause: two has the controls"])
        one.send(TakeControls())
        two.until(lambda: two.controls.holder == one.number)
        two.send(TakeControls())
        one.until(lambda: not one.holds)
        two.socket.close()  # whose line dropped
        one.until(lambda: len(one.controls.screens) == 1)
        assert one.holds and one.controls.taken_at is None


def test_a_screen_of_an_older_glov_is_refused_and_shown_the_run(tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "run"
    with served(folder, kept, None, "steps=0"), Screen(folder, "one") as one:
        with Screen(folder, "old") as old:
            kinds = ("ask-for-controls", "give-controls", "keep-controls", "still-here")
            old.send(*(f'{{"kind":"{kind}"}}\n'.encode() for kind in kinds))
            old.until(lambda: len(old.refused) == len(kinds))
            assert all(text.startswith("not understood") for text in old.refused)
            old.send(TakeControls())
            old.until(lambda: old.holds)
        one.until(lambda: one.holds)


def test_edits_of_a_screen_are_in_the_journal(tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "run"
    template = "a photo of a <category> turned upside down in blue light."
    edits = (
        SetOption(key="proposal.candidates", value=4),
        SetOption(key="steering.layers", value=[1, 2]),
        SetNextPrompt(system="", user="Write a template with <category>.\n\tDo."),
    )
    with served(folder, kept, paused_in(1)) as session:
        to_the_pause(session)
        with Screen(folder, "one") as one:
            one.send(*(MakeEdit(edit=edit) for edit in edits))
            one.send(InjectTemplate(text=template), Resume())
            one.to_the_end()
    events = read_journal(folder).events
    assert tuple(e.edit for e in events if isinstance(e, ev.Edited)) == edits
    human = [e for e in events if isinstance(e, ev.TemplateScored) and e.origin == "human"]
    assert [e.template for e in human] == [template]
    assert one.state.status == "finished" and plain(one.state) == plain(session.state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused_as_it_is_at_home(
    tmp_path: Path, kept: Kept, value: float
) -> None:
    folder = tmp_path / "run"
    with served(folder, kept, paused_in(1)) as session:
        to_the_pause(session)
        with Screen(folder, "one") as one:
            one.send(MakeEdit(edit=SetOption(key="steering.alpha", value=value)), Stop())
            one.to_the_end()
    assert session.state.edits == ()
    assert any(line.text.startswith("edit refused: steering.alpha") for line in session.state.log)


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_stop_is_obeyed_from_whoever_asks(
    tmp_path: Path, kept: Kept, joined: bool, waits: bool
) -> None:
    folder = tmp_path / "run"
    with served(folder, kept, paused_in(1)) as session:
        to_the_pause(session)
        with Screen(folder, "one") as one:
            with Screen(folder, "two" if joined else None) as two:
                two.send(Stop())
                if waits:
                    two.to_the_end()
            one.to_the_end()
        assert session.wait(CEILING_SECONDS)
        assert session.state.status == "stopped"
    assert one.state.status == "stopped" and plain(one.state) == plain(session.state)


def test_nothing_but_stop_is_obeyed_before_joining(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with served(folder, kept, paused_in(1)) as session:
        to_the_pause(session)
        with Screen(folder) as one:
            one.send(Resume(), TakeControls())
            one.send(b'{"kind":"join","name":"late"}\n')
            one.until(lambda: len(one.refused) == 2)
            assert set(one.refused) == {"join first"}
            assert session.state.status == "paused" and one.holds


def test_who_does_not_join_is_shut_out(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "JOIN_SECONDS", 0.1)
    folder = tmp_path / "run"
    with served(folder, kept, None, "steps=0"), Screen(folder, "one") as one:
        with address.connect(folder, 20.0) as silent:
            assert shut_out(silent)
        one.send(TakeControls())  # and those who did are not
        with Screen(folder, "two") as two:
            assert [s.name for s in two.controls.screens] == ["one", "two"]


def test_no_more_than_so_many_at_once(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 2)
    folder = tmp_path / "run"
    with served(folder, kept, None, "steps=0"), Screen(folder, "one") as one:
        with Screen(folder, "two"), Screen(folder) as three:
            one.until(lambda: len(one.controls.screens) == 2)
            three.to_the_end()
            assert three.refused == ["2 are connected to this run already; close one first"]
            with pytest.raises(Exception, match="2 are connected to this run already"):
                RemoteSession.attach(folder, "three")
        one.until(lambda: len(one.controls.screens) == 1)
        with Screen(folder, "three") as three:
            assert len(three.controls.screens) == 2


def test_one_that_can_not_be_served_is_let_go(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, system = tmp_path / "run", os.open

    def full(path: object, *rest: int) -> int:
        if path == folder / EVENTS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return system(path, *rest)

    with served(folder, kept, None, "steps=0"):
        with monkeypatch.context() as patch, address.connect(folder, 20.0) as connection:
            patch.setattr("os.open", full)
            assert shut_out(connection)
        with Screen(folder, "one") as one:
            assert one.holds


def test_the_socket_is_gone_and_the_last_fact_is_told(
    tmp_path: Path, kept: Kept, undisturbed: Path
) -> None:
    folder = tmp_path / "run"
    with served(folder, kept) as session, Screen(folder, "one") as one:
        session.start()
        one.to_the_end()
        assert one.state.status == "finished"
        assert plain(one.state) == plain(session.state)
    assert not (folder / SOCKET).exists()
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.toml", EVENTS, PREDICTIONS, SUMMARY}
    assert outcome(folder) == outcome(undisturbed)


def test_a_failure_that_no_journal_could_take_is_told(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with (
        served(folder, kept, paused_in(2)) as session,
        Screen(folder, "one") as one,
        Screen(folder, "two") as two,
    ):
        to_the_pause(session)
        file, write = session._publisher.journal._file, os.write

        def full(descriptor: int, data: bytes) -> int:
            if descriptor == file:
                raise OSError(28, "No space left on device")
            return write(descriptor, data)

        monkeypatch.setattr("os.write", full)
        one.send(Resume())
        for screen in (one, two):
            screen.to_the_end()
            assert screen.state.status == "failed"
            assert "No space left" in screen.state.error
    assert plain(one.state) == plain(session.state)


def test_a_run_that_was_finished_can_still_be_shown(undisturbed: Path) -> None:
    folder = undisturbed
    session = LocalSession.resume(folder)
    with server.ControlServer(session):
        with Screen(folder, "one") as one:
            assert plain(one.state) == plain(session.state)
        session.start()
        assert session.wait(CEILING_SECONDS)


def test_who_lets_go_of_nothing_keeps_nothing_of_ours(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is thrown out while it does not read: its file descriptors are free again."""
    folder = tmp_path / "run"
    with served(folder, kept, paused_in(1)) as session:
        to_the_pause(session)
        with Screen(folder, "one") as one:
            fill_journal(one)
            before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
            stalled: list[socket.socket] = []
            for _ in range(6):
                connection = address.connect(folder, 20.0)
                connection.sendall(b'{"kind":"join","name":"stalled"}\n')
                one.until(lambda: len(one.controls.screens) == 2)
                connection.sendall(b"\n" * 30)
                one.until(lambda: len(one.controls.screens) == 1)
                stalled.append(connection)
            wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before + len(stalled))  # noqa: PTH208
            for connection in stalled:
                connection.close()


def test_the_socket_of_the_next_engine_is_left_alone(
    tmp_path: Path, kept: Kept, undisturbed: Path
) -> None:
    folder = tmp_path / "run"
    first = LocalSession.create(demo(), folder, kept=kept)
    with server.ControlServer(first):
        first.send(Stop())
        first.start()
        assert first.wait(CEILING_SECONDS)
        second = LocalSession.resume(folder, kept=kept)
        following = server.ControlServer(second)
    with following, Screen(folder, "one") as one:
        second.start()
        one.until(lambda: one.state.status == "finished")
    assert outcome(folder) == outcome(undisturbed)
    assert not (folder / SOCKET).exists()


def test_an_engine_is_stopped_also_where_nobody_more_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = address.connect

    def connect_and_be_turned_away(folder: Path, seconds: float) -> socket.socket:
        """As a busy machine has it: the engine has hung up before anything is said to it."""
        connection = connect(folder, seconds)
        hung_up = select.poll()
        hung_up.register(connection, select.POLLHUP)
        assert hung_up.poll(CEILING_SECONDS * 1000)
        return connection

    folder = tmp_path / "run"
    Journal.begin(demo("steps=500"), folder).close()
    start_engine(folder)
    with contextlib.ExitStack() as screens:
        for number in range(server.CONNECTIONS):
            screens.enter_context(Screen(folder, f"screen {number}"))
        # Whoever can write the folder can name any process there; only the engine is signalled.
        bystander = screens.enter_context(subprocess.Popen(["sleep", "600"]))
        screens.callback(bystander.kill)
        lie = {"pid": bystander.pid, "host": socket.gethostname()}
        (folder / OWNER).write_text(json.dumps(lie))
        monkeypatch.setattr(address, "connect", connect_and_be_turned_away)
        stop_engine(folder, CEILING_SECONDS)
        assert bystander.poll() is None
    assert read_journal(folder).events[-1].kind == "run-stopped"


# -- a server that dies ---------------------------------------------------------------------------


def test_a_server_that_has_died_is_begun_again_and_says_so(
    tmp_path: Path, kept: Kept, undisturbed: Path
) -> None:
    folder = tmp_path / "run"
    pause = paused_in(1)
    session = pause.session = LocalSession.create(demo(), folder, pause, kept)

    def die() -> None:
        raise SystemExit("no more of it")

    with server.ControlServer(session) as serving, Screen(folder, "one") as one:
        to_the_pause(session)
        serving._loop.call_soon_threadsafe(die)
        one.to_the_end()
        with Screen(folder, "two") as two:
            two.until(
                lambda: any("SystemExit: no more of it" in line.text for line in two.state.log)
            )
            assert two.holds
            two.send(Resume())
            two.until(lambda: two.state.status == "finished")
        assert session.wait(CEILING_SECONDS)
    assert outcome(folder) == outcome(undisturbed)
    assert "SystemExit" in (folder / LOG).read_text() and not (folder / SOCKET).exists()


def test_a_server_that_dies_again_and_again_is_given_up_and_the_run_is_not(
    tmp_path: Path, kept: Kept, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(_: socket.socket) -> bool:
        raise ValueError("a defect")

    monkeypatch.setattr(server, "REST_SECONDS", 0.0)
    monkeypatch.setattr("engine.remote.server.address.same_user", defect)
    folder = tmp_path / "run"
    with served(folder, kept, paused_in(1)) as session:
        to_the_pause(session)
        for _ in range(server.LIVES):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as here:
                here.connect(str((folder / SOCKET).resolve()))
                assert shut_out(here)
        wait_until(lambda: any("no screen can attach" in line.text for line in session.state.log))
        assert not (folder / SOCKET).exists()
        session.send(Resume())
        assert session.wait(CEILING_SECONDS)
    assert outcome(folder) == outcome(undisturbed)

"""Whatever comes over the socket, and whoever does not read it: the run is as if it had none."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.common.kept import Kept
from engine.config.editable import EDITABLE
from engine.remote import address, server
from engine.remote.messages import Request, TakeControls, format_line
from engine.run import events as ev
from engine.run.commands import MakeEdit, Pause, Resume, Stop, UndoEdit
from engine.run.edits import SetNextPrompt, SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import read_state
from engine.storage.run_folder import LOG
from tests.support.patience import CEILING_SECONDS, wait_until
from tests.support.screens import At, Screen, plain, served
from tests.support.small_runs import outcome

# -- lines --------------------------------------------------------------------------------------

SMALL, LONG = "a photo of a <category>", "long <category> " * 4000
ODD = "\x00\x1b[2J\r\u202e\ufffe\U000e0001 <category>"
TEXTS = st.one_of(
    st.text(max_size=40), st.sampled_from(["", " ", SMALL, LONG, ODD, ODD * 200, "é" * 301])
)
SHORT = TEXTS.filter(lambda text: len(text) < 1000)  # longer ones: see below
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),  # also NaN and infinite ones
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**400), 1e308, 5e-324]),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    SHORT,
    st.sampled_from(["auto", "off", "last-token", "actadd", "relative", "last", [], {}]),
    st.lists(NUMBERS, max_size=3),
    st.just(json.loads("[" * 90 + "]" * 90)),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
SETTINGS = st.fixed_dictionaries(
    {"layers": st.lists(NUMBERS, max_size=3), "alpha": NUMBERS},
    optional={"mode": TEXTS, "alpha_unit": VALUES, "pool": VALUES},
)


def edit(kind: str, **fields: st.SearchStrategy) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.fixed_dictionaries({"kind": st.just(kind), **fields})
    return st.fixed_dictionaries({"kind": st.just("make-edit"), "edit": inner})


def experiment(kind: str, **fields: st.SearchStrategy) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.fixed_dictionaries({"kind": st.just(kind), **fields})
    return st.fixed_dictionaries({"kind": st.just("run-experiment"), "experiment": inner})


def commands(keys: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Commands with odd values; all but Stop."""
    bare = ("pause", "resume", "step-once", "undo-edit", "end-experiment")
    return st.one_of(
        st.sampled_from([{"kind": kind} for kind in bare]),
        edit("set-option", key=st.sampled_from(EDITABLE), value=VALUES),
        edit("set-option", key=TEXTS, value=VALUES),
        edit("set-next-prompt", system=SHORT, user=SHORT),
        edit("pin-template", key=keys, pinned=st.booleans()),
        edit("ban-template", key=keys, banned=st.booleans()),
        edit("choose-anchors", positive=st.none() | keys, negative=st.none() | keys),
        st.fixed_dictionaries({"kind": st.just("inject-template"), "text": TEXTS}),
        experiment("read-lens", pool=VALUES),
        experiment("compare-settings", left=SETTINGS, right=SETTINGS, seed=NUMBERS),
        experiment(
            "scan-settings",
            setting=SETTINGS,
            layers=st.lists(NUMBERS, max_size=2),
            alphas=st.lists(NUMBERS, max_size=2),
            replies=NUMBERS,
        ),
    )


def line_of(command: object) -> bytes:
    return json.dumps(command).encode() + b"\n"


REQUESTS = st.sampled_from(["join", "take-controls"]).map(
    lambda kind: {"kind": kind, "name": "x"} if kind == "join" else {"kind": kind}
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A line that was a good one. It can't have become a Stop."""
    line = line_of(draw(commands(TEXTS) | REQUESTS))
    at = draw(st.integers(0, len(line)))
    match draw(st.sampled_from(["none", "cut", "bytes", "doubled", "surrogate"])):
        case "cut":
            return line[:at]
        case "bytes":
            return line[:at] + draw(st.binary(max_size=6)) + line[at + draw(st.integers(0, 9)) :]
        case "doubled":
            return line[:-1] + line
        case "surrogate":
            return line[:at] + b"\\ud800" + line[at:]
    return line


GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=50).map(lambda data: data + b"\n"),
    mutated(),
    st.sampled_from(
        [b"\n" * 300, b"{" * 5000 + b"\n", b"[" * 200_000 + b"\n", b"x" * 600_000, b"\x00" * 4096]
    ),
)


# -- garbage ------------------------------------------------------------------------------------


def test_garbage_changes_nothing(
    tmp_path: Path, kept: Kept, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent while the run is paused, and while it runs, over many connections."""
    monkeypatch.setattr(server, "ACCEPTED_PER_SECOND", 1000.0)
    folder = tmp_path / "run"
    at = At(lambda e: isinstance(e, ev.StepStarted) and e.step == 1, Pause())
    connections = {"paused": 0, "running": 0}
    with served(folder, kept, at) as session, Screen(folder, "holder") as holder:

        @settings(max_examples=50, phases=[Phase.generate])
        @given(st.lists(GARBAGE, max_size=4), st.booleans())
        def send(parts: list[bytes], joins: bool) -> None:
            # At the run's end it is gone, and one that is thrown out is not read from.
            with contextlib.suppress(OSError), address.connect(folder, 20.0) as connection:
                connections[session.state.status] += 1
                connection.settimeout(0.05)
                for part in (b'{"kind":"join","name":"fuzz"}\n' * joins, *parts):
                    connection.sendall(part)

        session.start()
        wait_until(lambda: session.state.status == "paused")
        send()
        assert session.state.status == "paused" and connections == {"paused": 50, "running": 0}
        holder.until(lambda: holder.state.status == "paused" and holder.holds)
        connections["finished"] = 0
        holder.send(Resume())
        send()
        holder.to_the_end()
        assert connections["running"] > 10
    assert holder.state.status == "finished"
    assert plain(holder.state) == plain(session.state)
    assert outcome(folder) == outcome(undisturbed)
    assert not (folder / LOG).exists()


# -- odd commands of the one who holds the controls -----------------------------------------------


@pytest.fixture(scope="module")
def keys(undisturbed: Path) -> st.SearchStrategy[str]:
    """Templates of the run, or any text."""
    state = read_state(undisturbed)
    return st.sampled_from([t.key for t in state.templates]) | TEXTS


def test_no_command_ends_the_run(tmp_path: Path, kept: Kept, undisturbed: Path, keys: Any) -> None:
    number = 0

    @settings(max_examples=10, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(
        st.lists(commands(keys), min_size=1, max_size=12),
        st.sampled_from([ev.RunStarted, ev.Progress, ev.TokensStreamed, ev.StepFinished]),
    )
    def run(sent: list[dict[str, Any]], kind: type[ev.Event]) -> None:
        nonlocal number
        number += 1
        folder = tmp_path / f"run-{number}"
        moment = At(lambda e: isinstance(e, kind) and kind is not ev.RunStarted, Pause())
        with served(folder, kept, moment) as session, Screen(folder, "holder") as holder:
            if kind is ev.RunStarted:
                session.send(Pause())
            session.start()
            holder.send(*map(line_of, sent))
            holder.send(b'{"kind":"end-experiment"}\n', Resume())
            going_on(session, holder)
        assert session.state.status in ("finished", "stopped"), (session.state.error, sent)
        assert not (folder / LOG).exists() or "Traceback" not in (folder / LOG).read_text(), sent
        again = read_state(folder)
        assert again.ranking == session.state.ranking and again.edits == session.state.edits
        assert again.config == session.state.config

    run()


def test_layers_that_are_not_there_are_refused_also_before_the_models_are(
    tmp_path: Path, kept: Kept
) -> None:
    """As an edit they would end the run in its first step, each time that it is taken up."""
    at = At(lambda e: isinstance(e, ev.Progress) and e.phase == "loading", Pause())
    with served(tmp_path / "run", kept, at) as session, Screen(tmp_path / "run", "one") as one:
        session.start()
        one.until(lambda: one.state.status == "paused")
        for value in ([99], 99, [10**400], "auto", None):
            one.send(MakeEdit(edit=SetOption(key="steering.layers", value=value)))
        one.send(Resume())
        one.to_the_end()
    assert [edited.edit.value for edited in session.state.edits] == ["auto", None]
    assert sum(line.times for line in session.state.log if "edit refused" in line.text) == 3
    assert session.state.status == "finished"


def going_on(session: LocalSession, holder: Screen) -> None:
    """To the end, or for a while: a run may have been told to ask for a thousand replies."""
    end = time.monotonic() + 3.0
    holder.socket.settimeout(0.1)
    while not session.wait(0.0) and time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            holder.read()
        if session.state.status == "paused":
            holder.send(Resume())
    if not session.ended:
        holder.send(Stop())
        assert session.wait(CEILING_SECONDS)


# -- floods, and readers that do not read ---------------------------------------------------------


class Connection(server._Connection):
    """The server's, of which the test keeps each and how much it holds for it."""

    made: ClassVar[list[Connection]] = []
    most_held = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        Connection.made.append(self)

    def look(self) -> None:
        held = self.writer.transport.get_write_buffer_size()
        self.most_held = max(self.most_held, held)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    monkeypatch.setattr(server, "_Connection", Connection)
    Connection.made.clear()
    return Connection.made


class Flood:
    """Sends the same over and over, and connects again when it is thrown out."""

    def __init__(self, folder: Path, data: bytes) -> None:
        self.bytes = self.connections = 0
        self._folder, self._data = folder, data
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def _main(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(OSError), address.connect(self._folder, 1.0) as connection:
                self.connections += 1
                connection.settimeout(0.1)
                while not self._done.is_set():
                    with contextlib.suppress(TimeoutError):
                        self.bytes += connection.send(self._data)

    def __enter__(self) -> Flood:
        self._thread.start()
        wait_until(lambda: self.bytes)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(CEILING_SECONDS)


def test_a_reader_that_stalls_and_a_flood_of_garbage_do_not_matter(
    tmp_path: Path, kept: Kept, undisturbed: Path, connections: list[Connection]
) -> None:
    folder = tmp_path / "run"
    pause = At(lambda e: isinstance(e, ev.StepStarted) and e.step == 1, Pause())

    def on_event(event: ev.Event, state: RunState) -> None:
        pause(event, state)
        for connection in list(connections):
            connection.look()

    with served(folder, kept, on_event) as session, Screen(folder, "holder") as holder:
        pause.session = session
        session.start()
        wait_until(lambda: session.state.status == "paused")
        for _ in range(4):  # facts without an effect, more of them than the system takes
            holder.send(MakeEdit(edit=SetNextPrompt(system="", user="x" * 200_000)), UndoEdit())
        holder.until(lambda: sum("undone" in line.text for line in holder.state.log) == 4)
        with address.connect(folder, 20.0) as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.sendall(b'{"kind":"join","name":"stalled"}\n')
            holder.until(lambda: len(holder.controls.screens) == 2)
            with Flood(folder, b"\xff{]" * 1000 + b"\n") as flood:
                holder.send(Resume())
                holder.to_the_end()
            # It was thrown out again and again, and let in no oftener than it may.
            assert flood.connections > server.ACCEPTED_AT_ONCE / 2
            assert holder.state.status == "finished"
            assert connections[1].number == 2 and not connections[1].task.cancelled()
            assert 0 < connections[1].most_held <= server.JOURNAL_BYTES
    found, expected = outcome(folder), outcome(undisturbed)
    assert found | {"asked": []} == expected  # all edits were undone
    assert not (folder / LOG).exists()


def test_connections_are_taken_at_a_limited_rate(
    tmp_path: Path, kept: Kept, connections: list[Connection]
) -> None:
    folder = tmp_path / "run"
    begun = time.monotonic()
    with served(folder, kept, None, "steps=0"), Flood(folder, b"\n" * 100):
        wait_until(lambda: len(connections) > server.ACCEPTED_AT_ONCE + 2)
        with Screen(folder, "one") as one:  # which comes to its turn
            assert one.holds
        taken = len(connections)  # before the time is: they come all the while
        seconds = time.monotonic() - begun
    assert taken <= server.ACCEPTED_AT_ONCE + server.ACCEPTED_PER_SECOND * seconds + 1


def test_lines_are_obeyed_at_a_limited_rate(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, connections: list[Connection]
) -> None:
    obeyed: list[float] = []
    parse = server.parse_request

    def counted(line: bytes) -> Request:
        if b"take" in line:
            obeyed.append(time.monotonic())
        return parse(line)

    monkeypatch.setattr(server, "parse_request", counted)
    monkeypatch.setattr(server, "LINES_AT_ONCE", 20.0)
    folder = tmp_path / "run"
    join, take = b'{"kind":"join","name":"flood"}\n', format_line(TakeControls())
    with served(folder, kept, None, "steps=0"), Flood(folder, join + take * 5000) as flood:
        wait_until(lambda: len(obeyed) > 40)
        assert flood.connections == 1
        assert len(connections[0].reader._buffer) <= 3 * server.LONGEST_LINE
        assert flood.bytes > 2 * len(obeyed) * len(take)
    for first, last in itertools.combinations(range(0, 41, 10), 2):
        seconds = obeyed[last] - obeyed[first]
        # 3: the first line of all is no such line, and those at both ends count
        assert last - first <= 20 + server.LINES_PER_SECOND * seconds + 3
    assert obeyed[40] - obeyed[0] > (40 - 20 - 3) / server.LINES_PER_SECOND


def test_a_rate_is_kept_over_any_time() -> None:
    rate = server._Rate(at_once=4.0, per_second=2.0, now=0.0)
    now, size, done = 0.0, 1.5, 0.0
    for _ in range(50):
        now += rate.wait(size, now)
        done += size
        assert done <= 4.0 + 2.0 * now + 1e-9
    assert done == pytest.approx(4.0 + 2.0 * now)  # and no slower than allowed
    assert rate.wait(4.0, now + 1000.0) == 0.0
    assert rate.wait(1.0, now + 1000.0) == 0.5

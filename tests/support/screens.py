"""What the tests of the socket share: small runs, and a screen that is a bare socket."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.common.kept import Kept
from engine.remote import address
from engine.remote.controls import Controls
from engine.remote.messages import ControlsChanged, Join, Refused, format_line, parse_message
from engine.remote.server import ControlServer
from engine.run import events as ev
from engine.run.commands import Command, Stop
from engine.run.state import RunState
from engine.session.local import LocalSession
from tests.support.patience import CEILING_SECONDS
from tests.support.small_runs import demo

Hook = Callable[[ev.Event, RunState], None]


def plain(state: RunState) -> RunState:
    """Without what a screen may have otherwise: the telemetry of before the step under way."""
    return dataclasses.replace(state, step_begin=None)


class At:
    """Sends commands to its session at the first event that ``when`` holds for."""

    def __init__(self, when: Callable[[ev.Event], bool], *commands: Command) -> None:
        self.session: LocalSession | None = None
        self._when, self._commands = when, list(commands)

    def __call__(self, event: ev.Event, state: RunState) -> None:
        if self._commands and self._when(event):
            for command in self._commands:
                self.session.send(command)
            self._commands.clear()


@contextlib.contextmanager
def served(
    folder: Path, kept: Kept, at: Hook | None = None, *overrides: str
) -> Iterator[LocalSession]:
    """A new run and its socket, which goes when the run ends; what is not ended then is stopped."""
    session = LocalSession.create(demo(*overrides), folder, at, kept)
    if isinstance(at, At):
        at.session = session
    server = ControlServer(session)

    def main() -> None:
        with server:
            while not session.wait():  # at once, until it is started
                time.sleep(0.005)

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    try:
        yield session
    finally:
        session.send(Stop())
        session.start()
        thread.join(CEILING_SECONDS)
        assert not thread.is_alive(), "the engine hangs"


class Screen:
    """A bare connection to a run: it reads when told to, and can send anything."""

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.socket = address.connect(folder, CEILING_SECONDS)
        self.state = RunState()
        self.controls: Controls | None = None
        self.number: int | None = None
        self.refused: list[str] = []
        self._rest = b""
        if name is not None:
            self.send(Join(name=name))
            self.until(lambda: self.controls is not None)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *what: BaseModel | bytes) -> None:
        for one in what:
            self.socket.sendall(one if isinstance(one, bytes) else format_line(one))

    def read(self) -> bool:
        """Take in what comes next; False at the end."""
        received = self.socket.recv(1 << 16)
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            message = parse_message(line)
            match message:
                case ControlsChanged():
                    self.controls, self.number = message.controls, message.you
                case Refused():
                    self.refused.append(message.message)
                case _ if hasattr(message, "time"):
                    self.state = self.state.apply(message)
        return bool(received)

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + CEILING_SECONDS
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            assert self.read(), f"closed; refused: {self.refused}"

    def to_the_end(self) -> None:
        """Read until the engine closes."""
        with contextlib.suppress(ConnectionError):
            while self.read():
                pass

    @property
    def holds(self) -> bool:
        return self.controls.holder == self.number


def shut_out(connection: socket.socket) -> bool:
    """Whether the other side has closed, whatever it sent before."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True

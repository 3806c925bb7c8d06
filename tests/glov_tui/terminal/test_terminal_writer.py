"""Writing to ptys that are slow, stopped or gone."""

import os
import pty
import threading
from collections.abc import Iterator

import pytest

from glov_tui.terminal.terminal_writer import TerminalWriter, hung_up, open_unblocked, write_within
from tests.support.patience import CEILING_SECONDS

FRAME = b"x" * 5000
SECONDS = CEILING_SECONDS


class Pty:
    def __init__(self, blocking: bool) -> None:
        self.master, slave = pty.openpty()
        self.fd = os.dup(slave) if blocking else open_unblocked(slave)
        os.close(slave)
        self.gone = threading.Event()
        self.writer = TerminalWriter(self.fd, self.gone.set)
        self.writer.start()

    def read(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            data += os.read(self.master, n - len(data))
        return data

    def drained(self) -> threading.Event:
        event = threading.Event()
        self.writer.when_drained(event.set)
        return event


@pytest.fixture(params=["unblocked", "blocking"])
def terminal(request: pytest.FixtureRequest) -> Iterator[Pty]:
    opened = Pty(request.param == "blocking")
    yield opened
    opened.writer.stop(0)
    os.close(opened.fd)


def test_the_terminal_is_opened_anew_so_that_the_shell_s_stays_blocking() -> None:
    master, slave = pty.openpty()
    own = open_unblocked(slave)
    assert not os.get_blocking(own)
    assert os.get_blocking(slave)
    assert os.fstat(own).st_rdev == os.fstat(slave).st_rdev
    for fd in (own, slave, master):
        os.close(fd)


def test_everything_arrives_in_order(terminal: Pty) -> None:
    parts = [bytes([65 + i % 26]) * (1 + 700 * i) for i in range(40)]
    for part in parts:
        terminal.writer.write(part, is_frame=True)
    whole = b"".join(parts)
    assert terminal.read(len(whole)) == whole
    assert terminal.drained().wait(SECONDS)
    assert terminal.writer.frames == 0
    assert terminal.writer.stop(SECONDS)


def test_a_terminal_that_takes_nothing_holds_up_nobody(terminal: Pty) -> None:
    for _ in range(50):  # returns, though nobody reads
        terminal.writer.write(FRAME, is_frame=True)
    assert 0 < terminal.writer.frames <= 50
    drained = terminal.drained()
    assert not drained.is_set()
    terminal.read(50 * len(FRAME))
    assert drained.wait(SECONDS)


def test_stopping_gives_up_on_a_terminal_that_takes_nothing(terminal: Pty) -> None:
    for _ in range(50):
        terminal.writer.write(FRAME, is_frame=True)
    drained = terminal.drained()
    assert not terminal.writer.stop(0.2)
    assert terminal.drained().wait(SECONDS)
    terminal.writer.write(b"late", is_frame=False)  # dropped
    terminal.read(1)
    os.close(terminal.master)  # sets a thread free that hangs in a blocking write
    assert drained.wait(SECONDS)


def test_what_waits_can_be_discarded(terminal: Pty) -> None:
    assert not terminal.writer.discard()
    for _ in range(50):
        terminal.writer.write(FRAME, is_frame=True)
    assert terminal.writer.discard()
    assert terminal.writer.frames == 0
    terminal.writer.write(b"END", is_frame=False)
    data = b""
    while not data.endswith(b"END"):
        data += os.read(terminal.master, 65536)
    assert len(data) < 50 * len(FRAME)


def test_a_terminal_that_goes_is_noticed_while_nothing_is_written(terminal: Pty) -> None:
    assert not hung_up(terminal.fd)
    os.close(terminal.master)
    assert terminal.gone.wait(SECONDS)
    assert hung_up(terminal.fd)
    terminal.writer.write(FRAME, is_frame=True)
    assert terminal.drained().wait(SECONDS)
    assert not terminal.writer.stop(SECONDS)


def test_a_terminal_that_goes_while_frames_wait(terminal: Pty) -> None:
    for _ in range(50):
        terminal.writer.write(FRAME, is_frame=True)
    drained = terminal.drained()
    os.close(terminal.master)
    assert terminal.gone.wait(SECONDS)
    assert drained.wait(SECONDS)
    assert terminal.writer.frames == 0


def test_writing_with_a_deadline() -> None:
    master, slave = pty.openpty()
    fd = open_unblocked(slave)
    os.close(slave)
    assert write_within(fd, b"hello", SECONDS)
    assert os.read(master, 10) == b"hello"
    assert not write_within(fd, FRAME * 50, 0.1)
    os.close(master)
    assert not write_within(fd, b"hello", SECONDS)
    os.close(fd)

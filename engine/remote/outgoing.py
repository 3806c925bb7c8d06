"""What a screen has yet to send: lines in their order, over connections that come and go."""

from __future__ import annotations

import collections
import contextlib
import socket
import time

READ_BYTES = 64 * 1024


class Outgoing:
    """Lines that wait. Any thread may add one, one thread sends them."""

    def __init__(self) -> None:
        self._lines: collections.deque[bytes] = collections.deque()
        self._unsent = memoryview(b"")
        self._is_of_queue = False  # whether that is of the first line that waits

    def append(self, line: bytes) -> None:
        """Add a line."""
        self._lines.append(line)

    def begin(self, first: bytes) -> None:
        """A connection is made: ``first`` goes before all lines, and the one under way anew."""
        self._unsent, self._is_of_queue = memoryview(first), False

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""
        return bool(self._unsent or self._lines)

    def send(self, connection: socket.socket) -> None:
        """Send as much as it takes now of what ``waits``.

        Raises:
            ConnectionError: if the other side has closed it.
        """
        if not self._unsent:
            self._unsent, self._is_of_queue = memoryview(self._lines[0]), True
        self._unsent = self._unsent[connection.send(self._unsent) :]
        if not self._unsent and self._is_of_queue:
            self._lines.popleft()  # not before: a connection may break
            self._is_of_queue = False


def say_farewell(engine: socket.socket, seconds: float) -> None:
    """Say that nothing more comes, and read until the engine has heard it, or is too slow."""
    with contextlib.suppress(OSError):
        engine.shutdown(socket.SHUT_WR)
        engine.settimeout(seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end and engine.recv(READ_BYTES):
            pass

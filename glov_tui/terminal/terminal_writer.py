"""Writing to a terminal that may be slow, stopped or gone, without ever waiting for it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

CHUNK_BYTES = 4096
CANCEL = "\x18"
"""Ends an escape sequence that was cut off."""
_LOOK_MILLISECONDS = 1000
_FULL_SECONDS = 0.02  # some terminals report room where there is too little
_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


def open_unblocked(fd: int) -> int:
    """A descriptor of its own for the terminal behind ``fd``, which never blocks on writing.

    ``O_NONBLOCK`` belongs to the open file, which ``fd`` shares with the shell: setting it there
    would break the shell if this process were killed. So the terminal is opened anew. Where
    that is not allowed (after ``su``, or in a container without its ``/dev/pts``), a plain
    duplicate is returned; it may block.
    """
    with contextlib.suppress(OSError):
        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        if os.fstat(own).st_rdev == os.fstat(fd).st_rdev:
            return own
        os.close(own)
    return os.dup(fd)


def hung_up(fd: int) -> bool:
    """Whether the terminal behind ``fd`` is gone (line dropped, window closed)."""
    poll = select.poll()
    poll.register(fd, 0)  # hang-up and errors are always reported
    return any(events & _HUNG_UP for _, events in poll.poll(0))


def write_within(fd: int, data: bytes, seconds: float) -> bool:
    """Write all of ``data``, or give up after ``seconds``; returns whether all was written."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while data:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        for _, events in poll.poll(left * 1000):
            if events & _HUNG_UP:
                return False
            try:
                data = data[os.write(fd, data[:CHUNK_BYTES]) :]
            except BlockingIOError:
                continue
            except OSError:
                return False
    return True


class TerminalWriter(threading.Thread):
    """Queues what the terminal does not take at once, and notices when it is gone.

    ``write`` returns at once, whatever the terminal does. While the queue is empty it hands its
    bytes to the kernel directly: a thread in between would cost a turn of the interpreter's lock
    for every frame. The thread writes the rest, sleeps in ``poll`` while there is nothing to do
    or the terminal takes nothing, and calls ``on_gone`` once (on this thread) when the terminal
    hangs up; what is written afterwards is dropped.
    """

    def __init__(self, fd: int, on_gone: Callable[[], None]) -> None:
        """``fd`` is a terminal's; it stays open when the writer ends."""
        super().__init__(name="glov-terminal", daemon=True)
        self._fd = fd
        self._on_gone = on_gone
        self._direct = not os.get_blocking(fd)
        self._lock = threading.Lock()
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._when_drained: list[Callable[[], None]] = []
        self._stopping = False
        self._broken = False  # a write failed for good
        self._gone = False

    @property
    def frames(self) -> int:
        """Frames that the terminal has not taken in full."""
        with self._lock:
            return sum(is_frame for _, is_frame in self._queue)

    def write(self, data: bytes, is_frame: bool) -> None:
        """Write ``data``, now or when the terminal takes it; from any thread."""
        with self._lock:
            if self._gone or self._stopping or not data:
                return
            if self._direct and not self._queue:
                data = self._try(data)
                if not data:
                    return
            self._queue.append((data, is_frame))
            self._wake()

    def discard(self) -> bool:
        """Drop what the terminal has not taken; returns whether there was anything.

        A frame may be cut in the middle of an escape sequence: write ``CANCEL`` first then.
        """
        with self._lock:
            cut = bool(self._queue)
            self._queue.clear()
            if cut and not self._stopping:
                self._wake()
            return cut

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the queue is empty: now, or later on the writer's thread.

        It is also called when the terminal is gone or the writer stops.
        """
        with self._lock:
            if self._queue and not self._gone and not self._stopping:
                self._when_drained.append(callback)
                return
        callback()

    def stop(self, seconds: float) -> bool:
        """Write what is queued, for at most ``seconds``, and end the thread.

        Returns whether the terminal took everything.
        """
        deadline = time.monotonic() + seconds
        drained = threading.Event()
        self.when_drained(drained.set)
        drained.wait(seconds)
        with self._lock:
            complete = not self._queue and not self._gone
            if not self._stopping:
                self._stopping = True
                self._wake()
        # A write to a blocking descriptor may hang here: then the thread is left behind.
        self.join(max(0.0, deadline - time.monotonic()) + 0.1)
        return complete

    def run(self) -> None:
        """Until stopped: wait for something to write and for a terminal that takes it."""
        poll = select.poll()
        poll.register(self._wake_out, select.POLLIN)
        try:
            while True:
                with self._lock:
                    if self._stopping:
                        break
                    pending = bool(self._queue)
                if not pending:
                    self._call_drained()
                poll.register(self._fd, select.POLLOUT if pending else 0)
                # Not every hang-up wakes a poll that waits for nothing else: look now and then.
                ready = dict(poll.poll(_LOOK_MILLISECONDS))
                if self._wake_out in ready:
                    os.read(self._wake_out, CHUNK_BYTES)
                if self._broken or ready.get(self._fd, 0) & _HUNG_UP:
                    self._end_of_terminal()
                    break
                if ready.get(self._fd, 0) & select.POLLOUT and not self._write_first():
                    time.sleep(_FULL_SECONDS)
        finally:
            with self._lock:
                self._stopping = True
                self._queue.clear()
            self._call_drained()
            os.close(self._wake_out)
            os.close(self._wake_in)

    def _write_first(self) -> bool:
        """Write some of what is queued first; returns whether the terminal took any."""
        with self._lock:
            if not self._queue:
                return True
            first = self._queue[0]
        left = self._try(first[0])  # not under the lock: a blocking descriptor may block
        with self._lock:
            if self._queue and self._queue[0] is first:  # else discarded meanwhile
                if left:
                    self._queue[0] = (left, first[1])
                else:
                    self._queue.popleft()
        return len(left) < len(first[0])

    def _try(self, data: bytes) -> bytes:
        """Write what the terminal takes now; returns the rest."""
        try:
            return data[os.write(self._fd, data if self._direct else data[:CHUNK_BYTES]) :]
        except BlockingIOError:
            return data
        except OSError:
            self._broken = True
            return data

    def _end_of_terminal(self) -> None:
        with self._lock:
            self._gone = True
        self._on_gone()

    def _call_drained(self) -> None:
        with self._lock:
            callbacks, self._when_drained = self._when_drained, []
        for callback in callbacks:
            callback()

    def _wake(self) -> None:
        # A full pipe wakes as well as a fuller one; a closed one means that the thread has ended.
        with contextlib.suppress(OSError):
            os.write(self._wake_in, b"\0")

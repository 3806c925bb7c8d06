"""Signals that end the screen: told to the app's event loop, and undone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INSIST_SECONDS = 1.0
"""SIGINT or SIGTERM sent again this long after the first ends the process at once. Sooner, it is
taken for the same: a process is often told twice, by itself and with its group."""

# Set by Textual and never put back. Its handlers write to a driver that is gone after the app.
_TEXTUAL = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH, signal.SIGTTOU, signal.SIGTTIN)

Callback = Callable[[signal.Signals], None]


class EndSignals:
    """Installs handlers on entry and restores what was there on exit; for the main thread.

    A signal that comes before ``attach`` is kept for it. One that nobody was attached for is
    sent again on exit, when its old handler is back. After a hang-up SIGHUP stays ignored: it
    tends to come twice (from the kernel and from the shell), and the run shall outlive it.
    """

    def __init__(self, last_resort: Callable[[], None]) -> None:
        """``last_resort`` is called before a signal that was insisted on ends the process."""
        self._last_resort = last_resort
        self._before: dict[signal.Signals, object] = {}
        self._first: dict[signal.Signals, float] = {}
        self._lock = threading.RLock()  # the handler may interrupt a holder on the same thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._callback: Callback | None = None
        self._context: contextvars.Context | None = None
        self._waiting: list[signal.Signals] = []
        self._told: set[signal.Signals] = set()
        self._child: subprocess.Popen[bytes] | None = None
        self._child_runs = False
        self._before_child: list[signal.Signals] = []

    def __enter__(self) -> EndSignals:
        for number in (*ENDING, *_TEXTUAL):
            self._before[number] = signal.getsignal(number)
        for number in ENDING:
            signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: not set from Python, and not ours to restore
                signal.signal(number, handler)  # type: ignore[arg-type]
        if signal.SIGHUP in self._told or signal.SIGHUP in self._waiting:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in self._waiting:
            os.kill(os.getpid(), number)

    def attach(self, loop: asyncio.AbstractEventLoop, callback: Callback) -> None:
        """Have ``callback`` called on ``loop`` with each signal, once a signal.

        It is called in the context of this call: Textual finds the app by it.
        """
        with self._lock:
            self._context = contextvars.copy_context()
            self._loop, self._callback = loop, callback
            waiting, self._waiting = self._waiting, []
        for number in waiting:
            self.tell(number)

    def tell(self, number: signal.Signals) -> None:
        """Pass a signal on as if it had been received; from any thread."""
        with self._lock:
            if number in self._told or number in self._waiting:
                return
            if self._loop is None or self._callback is None:
                self._waiting.append(number)
                return
            try:
                self._loop.call_soon_threadsafe(self._callback, number, context=self._context)
            except RuntimeError:  # the loop is closed: the app has ended by itself
                self._waiting.append(number)
            else:
                self._told.add(number)

    @contextlib.contextmanager
    def for_child(self) -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
        """While a child has the terminal: ctrl+c and ctrl+\\ are the child's alone.

        Yields a function to be told the child: it is sent SIGTERM and SIGHUP when they come, so
        that an editor left open does not keep a process that is told to end.
        """
        quit_before = signal.signal(signal.SIGQUIT, lambda *_: None)  # SIG_IGN would be inherited
        self._child_runs = True

        def told(child: subprocess.Popen[bytes]) -> None:
            self._child = child
            for number in self._before_child:  # came while it was being started
                child.send_signal(number)

        try:
            yield told
        finally:
            self._child, self._child_runs = None, False
            self._before_child.clear()
            signal.signal(signal.SIGQUIT, quit_before)

    def _handle(self, received: int, frame: FrameType | None) -> None:
        number = signal.Signals(received)
        if self._child_runs:
            if number == signal.SIGINT:
                return
            if self._child is not None:
                self._child.send_signal(number)
            else:
                self._before_child.append(number)
        now = time.monotonic()
        first = self._first.setdefault(number, now)
        if number != signal.SIGHUP and now - first >= INSIST_SECONDS:
            self._last_resort()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.tell(number)

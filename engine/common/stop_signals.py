"""Signals that ask a process without a screen to end, and how every process of glov ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ENGINE_THREAD = "glov-engine"  # name of the thread that may be in native code when all ends


@contextmanager
def stop_on_signal(stop: Callable[[], object]) -> Iterator[None]:
    """Call ``stop`` at the first ctrl+c or SIGTERM; a second one ends the process."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()
        for name in (signal.SIGINT, signal.SIGTERM):  # the second one means it
            signal.signal(name, signal.SIG_DFL)

    before = {name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def leave(code: int) -> NoReturn:
    """End the process.

    Where a thread that does not keep the process, as that of an engine, is still at work in a
    library, that is done without taking the interpreter apart, which such a thread would crash in.
    """
    global _leaves_with
    _leaves_with = code
    if any(thread.name == ENGINE_THREAD for thread in threading.enumerate()):
        _leave_at_once()  # nothing else waits for it
    sys.exit(code)


_leaves_with: int | None = None


def _leave_at_once() -> None:
    if _leaves_with is None or not any(thread.daemon for thread in threading.enumerate()):
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()
    os._exit(_leaves_with)


# What is registered first is called last: other threads were waited for, and files put away.
atexit.register(_leave_at_once)

"""Signals that ask a process without a screen to end."""

from __future__ import annotations

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

    Where an engine's thread is still at work in a library, that is done without taking the
    interpreter apart, which such a thread would crash in.
    """
    if any(thread.name == ENGINE_THREAD for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none
                stream.flush()
        os._exit(code)
    sys.exit(code)

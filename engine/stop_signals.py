"""Signals that ask a process without a screen to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Iterator[None]:
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

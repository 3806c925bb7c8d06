"""Commands without a screen that go on when their terminal is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from engine.files import open_private


@contextmanager
def outliving_the_terminal(log_path: Path) -> Iterator[Callable[[], None]]:
    """Have SIGHUP end nothing: from then on a log gets what would go to the terminal.

    Standard output and error that are no terminal stay where they are. Yields a function that
    does the same, for those who find the terminal gone when they write to it.
    """
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def gone() -> None:
        log = open_private(log_path)
        for descriptor in terminals:
            os.dup2(log, descriptor)
        os.close(log)

    def hung_up(number: int, frame: FrameType | None) -> None:
        gone()

    before = signal.getsignal(signal.SIGHUP)
    if before != signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, hung_up)
    try:
        yield gone
    finally:
        signal.signal(signal.SIGHUP, before)

"""Commands without a screen that go on when their terminal, or who reads a pipe, is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from engine.common.files import open_private
from glov_tui.terminal.terminal_writer import hung_up


class ProgressConsole(Console):
    """A console on standard error that raises where nobody reads it any more.

    Rich's own ends the process then.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False)

    def on_broken_pipe(self) -> NoReturn:
        """Called while the error is handled.

        Raises:
            BrokenPipeError: always.
        """
        raise


class Readers:
    """Who reads standard output and error; a log does where they are gone."""

    def __init__(self, log_path: Path) -> None:
        self.gone = False
        self._log_path = log_path
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def replace(self) -> None:
        """Send to the log what would go to a terminal, or to a pipe that nobody reads.

        To nowhere, where the log can't be written or is a link: the run goes on.
        """
        self.gone = True
        try:
            log = open_private(self._log_path)
        except OSError:
            log = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            if descriptor in self._terminals or hung_up(descriptor):
                os.dup2(log, descriptor)
        os.close(log)


@contextmanager
def outliving_the_terminal(log_path: Path) -> Iterator[Readers]:
    """Have SIGHUP end nothing: from then on a log gets what would go to the terminal.

    Standard output and error that are files or pipes stay where they are. Who finds nobody there
    when it writes calls ``replace`` itself.
    """
    readers = Readers(log_path)

    def hang_up(number: int, frame: FrameType | None) -> None:
        readers.replace()

    before = signal.getsignal(signal.SIGHUP)
    if before != signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, hang_up)
    try:
        yield readers
    finally:
        signal.signal(signal.SIGHUP, before)

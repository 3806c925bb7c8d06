"""The terminal's file descriptors: kept from noise while the screen is up, whole afterwards.

    with screen_descriptors(folder / "log.txt") as terminal:
        app = GlovApp(session)            # its driver_class is screen_driver.ScreenDriver
        app.run()                         # on mount: terminal.signals.attach(loop, callback)

Textual's internals are touched in ``screen_driver`` and in the two small functions at the end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.common.files import open_private
from glov_tui.terminal.end_signals import EndSignals
from glov_tui.terminal.terminal_kind import speaks_unicode
from glov_tui.terminal.terminal_writer import hung_up, open_unblocked, write_within

if TYPE_CHECKING:
    from textual.app import App

    from glov_tui.terminal.governor import Governor

RESET = (
    "\x18"  # end a sequence that was cut off
    "\x1b[?2026l"  # synchronised output
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # focus events, bracketed paste, in-band resize
    "\x1b[<u"  # keyboard protocol: before the alternate screen is left, which has its own
    "\x1b[?7h\x1b[0m\x1b[?1049l\x1b[?25h"  # line wrap, colours, main screen, cursor
)
RESET_SECONDS = 1.0
_SIZE_OVERRIDES = ("COLUMNS", "LINES")

_current: Terminal | None = None


@dataclass
class Terminal:
    """The terminal while fds 0 to 2 are elsewhere. Made by ``screen_descriptors``."""

    input_fd: int
    output_fd: int  # never blocks, where the terminal can be opened anew
    file: TextIO  # blocks; for children, and for libraries that want a file
    log: TextIO
    unicode: bool  # may be changed before the app starts
    attributes: list[Any]  # termios, as found
    screen_up: bool = False  # set by the driver while the terminal is in its hands
    afterwards: str = ""  # what else is written when it is left: see ``ScreenDriver.tell``
    stays: bool = False  # set by an app that another one follows: what it shows stays till then
    signals: EndSignals = field(init=False)

    def __post_init__(self) -> None:
        self.signals = EndSignals(self.restore)

    @property
    def gone(self) -> bool:
        """Whether the line was dropped or the window closed."""
        return hung_up(self.output_fd)

    def restore(self) -> None:
        """Leave the alternate screen and raw mode, if Textual didn't; waits a second at most."""
        if self.gone:
            return
        with contextlib.suppress(termios.error), _background_allowed():
            raw = termios.tcgetattr(self.input_fd) != self.attributes
            if self.screen_up or raw:
                undone = f"{RESET}{self.afterwards}"
                write_within(self.output_fd, undone.encode(), RESET_SECONDS)
                self.screen_up = False
            # Not TCSADRAIN: it would wait for a terminal that has stopped reading.
            termios.tcsetattr(self.input_fd, termios.TCSANOW, self.attributes)

    def spawn(self, argv: Sequence[str]) -> int:
        """Run a program on the terminal and wait for it; only while the app is suspended.

        Returns its exit status, below 0 if a signal ended it.

        Raises:
            OSError: if the program can't be started.
        """
        before = termios.tcgetattr(self.input_fd)
        out = self.file.fileno()
        try:
            with self.signals.for_child() as tell:
                child = subprocess.Popen(argv, stdin=self.input_fd, stdout=out, stderr=out)
                tell(child)
                return child.wait()
        finally:
            with contextlib.suppress(termios.error), _background_allowed():
                termios.tcsetattr(self.input_fd, termios.TCSANOW, before)


def current_terminal() -> Terminal | None:
    """The terminal of the ``screen_descriptors`` that is open, if one is."""
    return _current


@contextlib.contextmanager
def screen_descriptors(log_path: Path) -> Iterator[Terminal]:
    """Keep the terminal for the screen; everything else that is written goes to a log.

    File descriptors 1 and 2, ``sys.stdout`` and ``sys.stderr`` append to ``log_path`` (C
    libraries and children write there), and fd 0 reads nothing (a question asked by a library
    would take the keys). ``sys.__stdin__``, ``__stdout__`` and ``__stderr__``, which Textual
    uses, are the terminal. SIGINT, SIGTERM and SIGHUP are held for ``terminal.signals``.

    Afterwards, whatever happened, the terminal is sane and all of it is as before. Only if the
    terminal is gone the log stays in its place: the run goes on, and must not fail on printing.

    Raises:
        OSError: if the log can't be written, or stdin or stdout is no terminal (ENOTTY).
    """
    global _current
    if not (os.isatty(0) and os.isatty(1)):
        raise OSError(errno.ENOTTY, "the cockpit needs a terminal for input and output")
    with contextlib.ExitStack() as keep:
        log = keep.enter_context(
            os.fdopen(
                open_private(log_path),
                "a",
                buffering=1,
                encoding="utf-8",
                errors="backslashreplace",
            )
        )
        attributes = termios.tcgetattr(0)
        stdin = keep.enter_context(os.fdopen(os.dup(0), encoding="utf-8", errors="replace"))
        file = keep.enter_context(os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace"))
        output_fd = open_unblocked(1)
        keep.callback(os.close, output_fd)
        terminal = Terminal(stdin.fileno(), output_fd, file, log, speaks_unicode(), attributes)
        with terminal.signals:
            descriptors = _Descriptors()
            sizes = {name: os.environ.pop(name) for name in _SIZE_OVERRIDES if name in os.environ}
            try:
                descriptors.redirect(log, stdin, file)
                _current = terminal
                yield terminal
            finally:
                _current = None
                terminal.restore()
                os.environ.update(sizes)
                if terminal.gone:
                    keep.pop_all()  # all stays open and in place
                    sys.__stdout__ = sys.__stderr__ = log  # type: ignore[misc]
                else:
                    descriptors.restore()


class _Descriptors:
    """Fds 0 to 2 and the six streams of ``sys`` as found, to be put back."""

    NAMES = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")

    def __init__(self) -> None:
        self._streams = {name: getattr(sys, name) for name in self.NAMES}
        self._flush()
        self._copies = [os.dup(fd) for fd in range(3)]

    def redirect(self, log: TextIO, stdin: TextIO, terminal: TextIO) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for fd in (1, 2):
            os.dup2(log.fileno(), fd)
        sys.stdout = sys.stderr = log
        sys.__stdin__ = stdin  # type: ignore[misc, assignment]
        sys.__stdout__ = sys.__stderr__ = terminal  # type: ignore[misc, assignment]

    def restore(self) -> None:
        self._flush()
        for fd, copy in enumerate(self._copies):
            os.dup2(copy, fd)
            os.close(copy)
        for name, stream in self._streams.items():
            setattr(sys, name, stream)

    def _flush(self) -> None:
        for stream in {sys.stdout, sys.stderr, *self._streams.values()}:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()


@contextlib.contextmanager
def _background_allowed() -> Iterator[None]:
    """Let a process in the background set the terminal, instead of being stopped for it."""
    try:
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTTOU, before)


def spawn_on_terminal(argv: Sequence[str]) -> int:
    """Run a program on the terminal, wherever fds 0 to 2 are now; see ``Terminal.spawn``.

    Raises:
        OSError: if the program can't be started.
    """
    if _current is not None:
        return _current.spawn(argv)
    return subprocess.call(argv)


def count_writes(app: App[Any], governor: Governor) -> None:
    """Have the governor spend every byte that goes to the terminal; once the app is mounted.

    Without a terminal (tests) nothing is written and nothing is counted.
    """
    driver: Any = app._driver
    if hasattr(driver, "governor"):
        driver.governor = governor


def tell_terminal(app: App[Any], sequence: str, afterwards: str | None = None) -> bool:
    """Tell the terminal something that changes no cell; see ``ScreenDriver.tell``.

    Returns whether there is a terminal to tell: not under test, nor in a browser.
    """
    driver: Any = app._driver
    if not hasattr(driver, "tell"):
        return False
    driver.tell(sequence, afterwards)
    return True


def redraw(app: App[Any]) -> None:
    """Write every cell again, for a screen that something else has written into."""
    driver: Any = app._driver
    if hasattr(driver, "redraw"):
        driver.redraw()
    else:
        app.refresh(layout=True)


def queued_frames(app: App[Any]) -> int:
    """Frames that wait for the terminal; 0 without a terminal."""
    return int(getattr(app._driver, "queued_frames", 0))

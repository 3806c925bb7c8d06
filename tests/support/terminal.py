"""A terminal for tests and benchmarks: a program on a pty, and what a person would see of it.

    with Terminal([sys.executable, "-m", "glov_tui", "demo"], columns=80, rows=24) as terminal:
        terminal.wait_for("running")
        terminal.press("space")
        terminal.wait_for("paused")

A thread reads what the program writes, at most at ``kib_per_second`` (None: at once; 0: not at
all), notes when how many bytes came, and feeds a screen. Nothing here sleeps in order to wait:
every wait is for a condition and fails with the screen in its message.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pexpect
import pyte
import pyte.modes

from tests.support import ROOT
from tests.support.patience import CEILING_SECONDS
from tests.support.warm_processes import WARM, WarmProcess

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "space": " ",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "f1": "\x1bOP",
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}
THROTTLED_READ_BYTES = 256
_ALTERNATE = 1049 << 5  # as pyte keeps private modes
# Sequences that pyte prints instead of skipping: private parameters and mode queries.
_NOT_FOR_PYTE = re.compile(rb"\x1b\[(?:[<>=][0-9;]*[a-zA-Z]|\??[0-9;]*\$p)")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;?<>=$]*)?\Z")

T = TypeVar("T")


class _Screen(pyte.Screen):
    """With an alternate screen, which pyte lacks: what was there comes back after the app."""

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        if 1049 in modes and _ALTERNATE not in self.mode:
            self._main = ({y: dict(line) for y, line in self.buffer.items()}, self._position())
            super().set_mode(*modes, **kwargs)
            self.erase_in_display(2)
        else:
            super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        back = 1049 in modes and _ALTERNATE in self.mode
        super().reset_mode(*modes, **kwargs)
        if back:
            self.erase_in_display(2)
            lines, (self.cursor.x, self.cursor.y) = self._main
            for y, line in lines.items():
                self.buffer[y].update(line)

    def _position(self) -> tuple[int, int]:
        return self.cursor.x, self.cursor.y


class Terminal:
    """A program on a pty of its own session. Close it, or use it as a context manager."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
        kib_per_second: float | None = None,
        parse: bool = True,
    ) -> None:
        """Start ``argv``; ``env`` changes the environment (None removes a variable).

        Without ``parse`` there is no screen but ``raw`` only: parsing costs CPU time that a
        measurement may not want to spend.
        """
        self.kib_per_second = kib_per_second
        self.raw = bytearray()
        self.arrivals: list[tuple[float, int]] = []  # monotonic seconds, bytes
        self._screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen) if parse else None
        self._lines: dict[int, str] = {}
        self._text = ""
        self._rest = b""
        self._changed = threading.Condition()
        self._ended = self._closing = False
        self.started_at = time.monotonic()
        environment = _environment(env or {})
        # What a terminal is, is read from the environment as modules are imported.
        if list(argv[: len(WARM)]) == WARM and not env:
            self._child: Any = _Fork(argv[len(WARM) :], rows, columns, environment, cwd)
        else:
            self._child = pexpect.spawn(
                argv[0],
                list(argv[1:]),
                dimensions=(rows, columns),
                env=environment,
                cwd=str(cwd),
                timeout=None,
            )
        self.attributes_before = self.attributes
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- what is there -----------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The program's process id."""
        return int(self._child.pid)

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without trailing blanks."""
        return self.text.split("\n")

    @property
    def text(self) -> str:
        """The screen as one text."""
        with self._changed:
            if changed := self._screen.dirty:  # whoever waits looks far more often than that
                for y in changed:
                    cells = self._screen.buffer[y]
                    text = "".join(cells[x].data for x in range(self._screen.columns))
                    self._lines[y] = text.rstrip()
                changed.clear()
                self._text = "\n".join(self._lines[y] for y in range(self._screen.lines))
            return self._text

    @property
    def colours(self) -> tuple[set[str], set[str]]:
        """The foregrounds and the backgrounds that are on the screen.

        As ``rrggbb``, a name of pyte's, or ``default`` where the program gave none.
        """
        with self._changed:
            width, height = range(self._screen.columns), range(self._screen.lines)
            cells = [self._screen.buffer[y][x] for y in height for x in width]
            return {cell.fg for cell in cells}, {cell.bg for cell in cells}

    @property
    def alternate_screen(self) -> bool:
        """Whether a full-screen program has the terminal."""
        return _ALTERNATE in self._screen.mode

    @property
    def modes(self) -> set[int]:
        """The private (DEC) modes that are set, such as 1003 for mouse tracking."""
        return {mode >> 5 for mode in self._screen.mode if mode >= 32}

    @property
    def cursor_shown(self) -> bool:
        """Whether the cursor is shown."""
        return not self._screen.cursor.hidden

    @property
    def attributes(self) -> list[Any]:
        """The terminal's termios attributes now."""
        return termios.tcgetattr(self._child.child_fd)

    def cpu_seconds(self) -> float:
        """CPU time that the program has used, of all its threads."""
        return time.clock_gettime((~self.pid << 3) | 2)  # as clock_getcpuclockid(3) has it

    def bytes_between(self, begin: float, end: float) -> int:
        """Bytes that arrived between two times of ``time.monotonic()``."""
        with self._changed:
            return sum(size for at, size in self.arrivals if begin <= at < end)

    # -- waiting -----------------------------------------------------------------------------

    def wait_until(
        self,
        condition: Callable[[], T],
        what: str = "",
        seconds: float = CEILING_SECONDS,
        of_screen: bool = False,
    ) -> T:
        """Wait until ``condition`` holds and return its value; looks whenever bytes came in.

        Raises:
            AssertionError: if it does not within ``seconds``, or is ``of_screen`` and the program
                has ended.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := condition()):
                left = deadline - time.monotonic()
                if left <= 0 or (of_screen and self._ended):
                    state = "ended" if self._ended else "running"
                    seen = self.text if self._stream else repr(bytes(self.raw[-2000:]))
                    raise AssertionError(
                        f"not within {seconds} s: {what or condition} ({state})\n{seen}"
                    )
                self._changed.wait(min(left, 0.1))
            return value

    def wait_for(self, *texts: str, seconds: float = CEILING_SECONDS) -> None:
        """Wait until all ``texts`` are on the screen."""
        self.wait_until(
            lambda: all(text in self.text for text in texts),
            f"{texts} on the screen",
            seconds,
            of_screen=True,
        )

    def wait_gone(self, text: str, seconds: float = CEILING_SECONDS) -> None:
        """Wait until ``text`` is not on the screen."""
        self.wait_until(
            lambda: text not in self.text, f"{text!r} off the screen", seconds, of_screen=True
        )

    def shown_at(self, text: str, line: int, seconds: float = CEILING_SECONDS) -> float:
        """Wait until ``text`` is in a line (from 0); returns when the bytes for it arrived.

        Looks at that line only: a look at the whole screen would take longer than what is timed.
        """

        def arrived() -> float:
            cells = self._screen.buffer[line]
            there = text in "".join(cells[x].data for x in range(self._screen.columns))
            return self.arrivals[-1][0] if there else 0.0

        return self.wait_until(arrived, f"{text!r} in line {line}", seconds, of_screen=True)

    def wait_exit(self, seconds: float = CEILING_SECONDS) -> int:
        """Wait for the program's end; returns its exit status, minus the signal if one ended it.

        Raises:
            AssertionError: if it goes on.
        """
        self.wait_until(lambda: not self._child.isalive(), "the program's end", seconds)
        self._reader.join(1)  # what it wrote last
        if self._child.signalstatus is not None:
            return -int(self._child.signalstatus)
        return int(self._child.exitstatus or 0)

    # -- doing -------------------------------------------------------------------------------

    def send(self, text: str | bytes) -> None:
        """Type ``text`` as it is."""
        os.write(self._child.child_fd, text.encode() if isinstance(text, str) else text)

    def press(self, *keys: str) -> None:
        """Press keys, each a character or a name of ``KEYS``."""
        for key in keys:
            self.send(KEYS.get(key, key))

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; the program gets SIGWINCH."""
        with self._changed:
            self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Take the terminal away, as a dropped line does."""
        self._stop_reading()
        if isinstance(self._child, _Fork):
            self._child.close()
            return
        with contextlib.suppress(OSError):  # by its file: that would close the number again later
            self._child.ptyproc.fileobj.close()
        self._child.closed = self._child.ptyproc.closed = True

    def close(self) -> None:
        """End the program, if it has not ended."""
        self._stop_reading()
        if self._child.isalive():
            self._child.kill(signal.SIGKILL)
            self._child.wait()
        if not self._child.closed:
            self._child.close()

    def _stop_reading(self) -> None:
        self._closing = True
        self._reader.join()

    # -- the reader --------------------------------------------------------------------------

    def _read(self) -> None:
        fd = self._child.child_fd
        while not self._closing:
            rate = self.kib_per_second
            if rate == 0:
                time.sleep(0.01)
                continue
            if not select.select([fd], [], [], 0.05)[0]:
                continue
            begun = time.monotonic()
            try:
                data = os.read(fd, 65536 if rate is None else THROTTLED_READ_BYTES)
            except OSError:  # the other side is closed
                data = b""
            if not data:
                break
            if rate is not None:  # it has arrived when the line is done with it
                time.sleep(max(0.0, begun + len(data) / (rate * 1024) - time.monotonic()))
            with self._changed:
                self.raw += data
                self.arrivals.append((time.monotonic(), len(data)))
                self._feed(data)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _feed(self, data: bytes) -> None:
        if self._stream is None:
            return
        data = self._rest + data
        unfinished = _UNFINISHED.search(data)
        cut = unfinished.start() if unfinished else len(data)
        self._rest = data[cut:]
        self._stream.feed(_NOT_FOR_PYTE.sub(b"", data[:cut]))


class _Fork:
    """As much of ``pexpect.spawn`` as is needed, for a fork of a warm process."""

    def __init__(
        self, arguments: Sequence[str], rows: int, columns: int, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.child_fd, its_end = os.openpty()
        self.closed = False
        self.exitstatus: int | None = None
        self.signalstatus: int | None = None
        self.setwinsize(rows, columns)
        try:
            self._process = WarmProcess("screen", arguments, cwd, env, its_end)
        finally:
            os.close(its_end)
        self.pid = self._process.pid

    def setwinsize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.child_fd, (rows, columns))

    def isalive(self) -> bool:
        if self._process.has_ended:
            self.wait()
        return self.exitstatus is None and self.signalstatus is None

    def kill(self, number: signal.Signals) -> None:
        self._process.kill(number)

    def wait(self) -> None:
        code = self._process.wait()
        if code < 0:
            self.signalstatus = -code
        else:
            self.exitstatus = code

    def close(self) -> None:
        os.close(self.child_fd)
        self.closed = True


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    env["PYTHONPATH"] = str(ROOT)
    for name, value in changes.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    return env

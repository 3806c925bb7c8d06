"""What the measurements of the cockpit share: a program on a pty, and a table of what was found."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.terminal import Terminal

SMALL, LARGE = (80, 24), (200, 50)
STATUS_LINE = 0
SECONDS = 30.0  # longest wait for what takes a part of one: then something is wrong
SCRIPTED = [sys.executable, str(Path(__file__).with_name("ui_session.py"))]


@dataclass
class Table:
    """Rows of what was measured, beside what it should be at most."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    failed: int = 0

    def add(self, what: str, value: float | None, unit: str, at_most: float | None = None) -> None:
        """Add a row and print it at once. ``value`` is None where it can't be measured."""
        shown = "n/a" if value is None else f"{value:.3g} {unit}"
        goal = "" if at_most is None else f"<= {at_most:g} {unit}"
        verdict = "" if at_most is None or value is None else "ok"
        if verdict and value is not None and at_most is not None and value > at_most:
            verdict, self.failed = "MISSED", self.failed + 1
        self.rows.append((what, shown, goal, verdict))
        print(f"{what:<62} {shown:>14}  {goal:<14} {verdict}", flush=True)


@contextlib.contextmanager
def running(argv: Sequence[str], size: tuple[int, int]) -> Iterator[Terminal]:
    """A program on a pty, told to end afterwards."""
    with Terminal(argv, columns=size[0], rows=size[1]) as terminal:
        yield terminal
        terminal.kib_per_second = None
        terminal.kill(signal.SIGTERM)
        terminal.wait_exit(60)


@contextlib.contextmanager
def scripted(folder: Path, size: tuple[int, int], *options: str) -> Iterator[Terminal]:
    """The cockpit over the scripted engine, its first paint done."""
    with running([*SCRIPTED, str(folder), *options], size) as terminal:
        terminal.shown_at("scripted", STATUS_LINE, 120)
        yield terminal


def quantile(values: Sequence[float], q: float) -> float:
    """The ``q`` quantile, 0 to 1, of some values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def kib_per_second(terminal: Terminal, seconds: float) -> float:
    """What is written from now on, in KiB/s."""
    begun = time.monotonic()
    time.sleep(seconds)
    return terminal.bytes_between(begun, begun + seconds) / 1024 / seconds

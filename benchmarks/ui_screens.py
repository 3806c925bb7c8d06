"""The screens that a key opens over a live demo: how soon they are there, and what they cost."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ui_terminal import LARGE, SECONDS, SMALL, Table, kib_per_second, running
from tests.support.terminal import Terminal

START_SECONDS = 300.0
STEPS_BEFORE = 4  # steps that are done before anything is opened: enough for each to show something
SCREENS = {
    # the key, and what is on the screen once it is open
    "why": ("w", "A against B"),
    "steering over time": ("S", "steering over time"),
    "machine": ("M", "the engine's machine"),
    "configuration": ("C", "configuration:"),
    "test on demand": ("T", "test accuracies"),
    "note": ("a", "All notes"),
    "inject": ("i", "inject templates"),
    "several runs on one chart": ("v", "best few-shot accuracy by"),
    "list of runs": ("R", "by newest"),
}
"""Each is put away by escape, but for the list of runs: enter goes back to the run there."""


@contextlib.contextmanager
def live_demo(folder: Path, size: tuple[int, int]) -> Iterator[Terminal | None]:
    """A demo that runs on a screen; None if it does not begin to."""
    argv = [sys.executable, "-m", "glov_tui", "demo", "--steps", "500", "--run-dir", str(folder)]
    with running(argv, size) as terminal:
        try:
            terminal.wait_until(
                lambda: any(f" {word} " in terminal.lines[0] for word in ("running", "failed")),
                "a demo that runs",
                START_SECONDS,
            )
        except AssertionError as error:
            print(error)
            yield None
            return
        if " failed " in terminal.lines[0]:
            print(terminal.text)
            yield None
            return
        yield terminal


def measure_screens(table: Table, folder: Path, seconds: float, times: int) -> None:
    """Open each screen ``times`` times, and look at it for ``seconds`` the last time."""
    for size in (SMALL, LARGE):
        at = f"{size[0]}x{size[1]}"
        # A folder of runs of its own: what else was measured is not listed.
        with live_demo(folder / f"screens-{at}" / "run", size) as terminal:
            if terminal is None:
                continue
            terminal.wait_until(lambda: _steps_begun(terminal) > STEPS_BEFORE, "steps", 300)
            table.add(
                f"live demo, no other screen, {at}", kib_per_second(terminal, seconds), "KiB/s"
            )
            for name, (key, words) in SCREENS.items():
                _measure(table, terminal, f"{name}, {at}", key, words, seconds, times)


def _measure(
    table: Table,
    terminal: Terminal,
    what: str,
    key: str,
    words: str,
    seconds: float,
    times: int,
) -> None:
    waits, sizes, rate = [], [], 0.0
    for turn in range(times):
        time.sleep(0.5)
        pressed = time.monotonic()
        terminal.press(key)
        shown = _shown_at(terminal, words)
        waits.append(shown - pressed)
        sizes.append(terminal.bytes_between(pressed, shown + 0.001) / 1024)
        if turn == times - 1:
            rate = kib_per_second(terminal, seconds)
        terminal.press("enter" if key == "R" else "escape")
        terminal.wait_gone(words, SECONDS)
        if key == "R":  # the run is attached to again
            terminal.wait_until(lambda: _steps_begun(terminal) > 0, "the run again", SECONDS)
    table.add(f"key to screen, first, {what}", 1000 * waits[0], "ms")
    table.add(
        f"key to screen, median of the next {times - 1}, {what}",
        1000 * statistics.median(waits[1:]),
        "ms",
    )
    table.add(f"opening, {what}", statistics.median(sizes), "KiB")
    table.add(f"open, {what}", rate, "KiB/s", 12)


def _shown_at(terminal: Terminal, words: str) -> float:
    """When the bytes arrived that completed these words."""

    def arrived() -> float:
        return terminal.arrivals[-1][0] if words in terminal.text else 0.0

    return terminal.wait_until(arrived, words, SECONDS, of_screen=True)


def _steps_begun(terminal: Terminal) -> int:
    """The step in the status line, 0 where there is none."""
    _before, found, after = terminal.lines[0].partition("step ")
    number = after.partition("/")[0]
    return int(number) if found and number.isdecimal() else 0

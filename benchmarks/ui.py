"""The cockpit on a terminal, measured from the other side of a pty: all in one run, one table.

    python -m benchmarks.ui              # about ten minutes
    python -m benchmarks.ui --quick      # about four
    python -m benchmarks.ui --realtime   # as on a machine where nothing else runs (for root)

What a person over SSH feels: how soon the first paint is there, beside an empty Textual app; how
many bytes go over the line at 80x24 and 200x50; from a key to its effect on the screen while the
engine emits 300 events a second on the same cores, on a fast terminal and behind a line of
25 KiB/s; and for how long the engine is held up by a terminal that stops reading for 5 seconds.

The demo is ``python -m glov_tui demo``; the rest is the same app over a scripted engine
(``ui_session.py``), so that its load is the same every time. Times depend on what else runs:
the load average is printed, and the comparisons are of the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.ui_screens import live_demo, measure_screens
from benchmarks.ui_terminal import (
    LARGE,
    SCRIPTED,
    SECONDS,
    SMALL,
    STATUS_LINE,
    Table,
    kib_per_second,
    quantile,
    running,
    scripted,
)
from tests.support.terminal import Terminal

SLOW_KIB_PER_SECOND = 25.0
STALL_SECONDS = 5.0
EMPTY_APP = "from textual.app import App; App().run()"
GLOV = "import sys; from glov_tui.cli import main; sys.exit(main())"  # what the script `glov` is
FIRST_FRAME_BYTES = 1200  # more than all mode settings, less than any frame
INJECT = "inject templates"  # the title of a dialog with a text

# Keys that change the pane at 80x24, and what the tab line then has.
PANE_KEYS = {
    "1": "[1 meta-prompt]",
    "2": "[2 templates]",
    "3": "[3 steering]",
    "4": "[4 candidates]",
    "5": "[5 chart]",
    "6": "[6 log]",
}


# -- first paint ---------------------------------------------------------------------------------


def first_frame_seconds(argv: Sequence[str]) -> tuple[float, float]:
    """From the start of the process to its first frame: on the clock, and of CPU time."""
    with running(argv, SMALL) as terminal:
        terminal.wait_until(lambda: len(terminal.raw) > FIRST_FRAME_BYTES, seconds=30)
        cpu = terminal.cpu_seconds()
        total = 0
        for at, size in terminal.arrivals:
            total += size
            if total > FIRST_FRAME_BYTES:
                return at - terminal.started_at, cpu
    raise AssertionError("no frame")


def measure_first_paint(table: Table, folder: Path, runs: int) -> None:
    """Empty app and demo in turns, so that both see the same load."""
    measured = []
    for turn in range(runs + 1):
        run = ["demo", "--run-dir", str(folder / f"paint{turn}")]
        empty = first_frame_seconds([sys.executable, "-c", EMPTY_APP])
        demo = first_frame_seconds([sys.executable, "-c", GLOV, *run])
        if turn:  # the first compiles
            measured.append((empty, demo))
    for number, kind in enumerate(("", "CPU time of the ")):
        pairs = [(empty[number], demo[number]) for empty, demo in measured]
        of = f"{kind}first paint"
        table.add(f"{of}, empty Textual app", statistics.median(e for e, _ in pairs), "s")
        table.add(f"{of}, glov demo", statistics.median(d for _, d in pairs), "s")
        ratio = statistics.median(d / e for e, d in pairs)
        table.add(f"{of}, glov demo / empty app", ratio, "x", 2)


# -- bytes ---------------------------------------------------------------------------------------


def measure_bytes(table: Table, folder: Path, seconds: float) -> None:
    """First paint, idle, and under load, at both sizes."""
    for size, first_goal, live_goal in ((SMALL, 60, 5), (LARGE, None, 10)):
        at = f"{size[0]}x{size[1]}"
        with scripted(folder, size, "--rate", "0") as terminal:
            time.sleep(2)  # the first paint, and what the engine has shown by then
            table.add(f"first paint, {at}", len(terminal.raw) / 1024, "KiB", first_goal)
            table.add(f"idle, {at}", kib_per_second(terminal, seconds), "KiB/s", 0.6)
            terminal.press("space")
            time.sleep(1)
            table.add(f"paused, {at}", kib_per_second(terminal, seconds), "KiB/s", 0.6)
        with scripted(folder, size) as terminal:
            time.sleep(4)
            cpu = terminal.cpu_seconds()
            rate = kib_per_second(terminal, 2 * seconds)
            cpu = (terminal.cpu_seconds() - cpu) / (2 * seconds)
            table.add(f"scripted engine, 300 events/s, {at}", rate, "KiB/s", 12)
            table.add(f"CPU time, scripted engine, 300 events/s, {at}", cpu, "s/s")
        demo = demo_rates(folder / f"demo-{at}", size, seconds)
        table.add(f"live demo, {at}", demo[0], "KiB/s", live_goal)
        table.add(f"live demo paused, {at}", demo[1], "KiB/s", 0.6)


def demo_rates(
    folder: Path, size: tuple[int, int], seconds: float
) -> tuple[float | None, float | None]:
    """KiB/s of a demo run while it runs and while it is paused; None if it does not start."""
    with live_demo(folder, size) as terminal:
        if terminal is None:
            return None, None
        live = kib_per_second(terminal, 2 * seconds)
        terminal.press("space")
        terminal.wait_until(lambda: " paused " in terminal.lines[0], "a paused demo")
        time.sleep(1)
        return live, kib_per_second(terminal, seconds)


# -- keys ----------------------------------------------------------------------------------------


def seconds_to_effect(terminal: Terminal, key: str, effect: str, line: int) -> float:
    """From a key press to the arrival of the bytes that show its effect in a line."""
    pressed = time.monotonic()
    terminal.press(key)
    return terminal.shown_at(effect, line, SECONDS) - pressed


def pane_latencies(terminal: Terminal, presses: int) -> list[float]:
    """Changing panes: a repaint of most of the screen."""
    pick = random.Random(0)
    keys, result = list(PANE_KEYS), []
    tabs = next(y for y, text in enumerate(terminal.lines) if "1 meta-prompt" in text)
    for press in range(1, presses + 1):
        time.sleep(pick.uniform(0.15, 0.45))
        key = keys[press % len(keys)]
        result.append(seconds_to_effect(terminal, key, PANE_KEYS[key], tabs))
    return result


def typing_latencies(terminal: Terminal, presses: int) -> list[float]:
    """Typing into a text."""
    pick = random.Random(1)
    terminal.press("i")
    terminal.wait_for(INJECT, seconds=SECONDS)
    line = 1 + next(y for y, text in enumerate(terminal.lines) if INJECT in text)
    typed, result = "", []
    for _ in range(presses):
        time.sleep(pick.uniform(0.05, 0.25))
        if len(typed) > 20:
            terminal.press(*(["backspace"] * len(typed)))
            there = typed
            terminal.wait_until(
                lambda there=there: there[:1] not in terminal.lines[line],  # type: ignore[misc]
                "an empty field",
                SECONDS,
            )
            typed = ""
        letter = pick.choice("bcdfghjklmnpqrstvwxyz")
        typed += letter
        result.append(seconds_to_effect(terminal, letter, typed, line))
    terminal.press("escape")
    terminal.wait_gone(INJECT, SECONDS)
    return result


def pause_latencies(terminal: Terminal, presses: int) -> list[float]:
    """Pause and resume: the engine has to answer, and the pump to see it."""
    pick = random.Random(2)
    result = []
    for press in range(presses):
        time.sleep(pick.uniform(0.3, 0.6))
        effect = "running" if press % 2 else "paused"
        result.append(seconds_to_effect(terminal, "space", effect, STATUS_LINE))
    return result


def measure_keys(table: Table, folder: Path, presses: int) -> None:
    """On a fast terminal and behind a slow line, with the engine at 300 events a second."""
    kinds: list[tuple[str, Callable[[Terminal, int], list[float]], int]] = [
        ("pane change", pane_latencies, presses),
        ("typed letter", typing_latencies, presses),
        ("pause/resume", pause_latencies, presses // 2),
    ]
    for line, rate, goal in (("pty", None, 50.0), ("25 KiB/s", SLOW_KIB_PER_SECOND, 150.0)):
        with scripted(folder, SMALL) as terminal:
            time.sleep(3)
            terminal.kib_per_second = rate
            time.sleep(2)
            for name, measure, n in kinds:
                seconds = measure(terminal, n)
                what = f"key to effect, {name}, {line}"
                table.add(f"{what}, p50 of {n}", 1000 * quantile(seconds, 0.5), "ms")
                table.add(f"{what}, p95", 1000 * quantile(seconds, 0.95), "ms", goal)


# -- the engine ----------------------------------------------------------------------------------


def emits(folder: Path) -> list[tuple[float, float]]:
    """What the scripted engine wrote at its end: when it published, and how long that took."""
    return [(at, seconds) for at, seconds in json.loads((folder / "emits.json").read_text())]


def measure_engine(table: Table, folder: Path, seconds: float) -> None:
    """How long a publication takes: without a screen, with one, with one that is stuck."""
    alone = [*SCRIPTED, str(folder), "--no-screen", "--seconds", str(seconds)]
    with Terminal(alone, parse=False) as terminal:
        assert terminal.wait_exit(seconds + 30) == 0
    durations = [s for _, s in emits(folder)]
    table.add("engine, longest publication, no screen", 1000 * max(durations), "ms")
    with scripted(folder, LARGE) as terminal:
        time.sleep(3)
        begun = time.monotonic()
        time.sleep(seconds)
        stalled, cpu = time.monotonic(), terminal.cpu_seconds()
        terminal.kib_per_second = 0
        # Keys make repaints that nothing skips.
        while time.monotonic() < stalled + STALL_SECONDS:
            terminal.press("down")
            time.sleep(0.1)
        resumed, cpu = time.monotonic(), terminal.cpu_seconds() - cpu
        terminal.kib_per_second = None
        terminal.press("i")
        terminal.wait_for(INJECT, seconds=SECONDS)
        back = terminal.arrivals[-1][0] - resumed
    during = {"screen": (begun, stalled), "terminal not reading for 5 s": (stalled, resumed)}
    for name, (first, last) in during.items():
        durations = [s for at, s in emits(folder) if first <= at < last]
        table.add(f"engine, events a second, {name}", len(durations) / (last - first), "1/s")
        table.add(f"engine, p99 publication, {name}", 1000 * quantile(durations, 0.99), "ms")
        table.add(f"engine, longest publication, {name}", 1000 * max(durations), "ms", 5)
    table.add("CPU time while the terminal does not read", cpu / STALL_SECONDS, "s/s")
    table.add("screen is there again after", 1000 * back, "ms")


@contextlib.contextmanager
def ahead_of_others(wanted: bool) -> Iterator[None]:
    """Run this process and those it starts before all others, if ``wanted``."""
    if wanted:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        if wanted:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def main() -> int:
    """Measure all, or what is asked for; the exit status is 1 if a goal was missed."""
    parts = ("paint", "bytes", "keys", "engine", "screens")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--realtime", action="store_true", help="where times are measured")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    runs, seconds, presses = (3, 5.0, 24) if options.quick else (7, 10.0, 60)
    folder = Path(tempfile.mkdtemp(prefix="glov-ui-"))
    # Byte code is kept, as it is for users, whatever this machine's settings are.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    # Lists of runs have those of this benchmark only, and the user's settings stay out of it.
    os.environ |= {f"GLOV_{name}_DIR": str(folder / name.lower()) for name in ("RUNS", "CONFIG")}
    table = Table()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start\n")
    try:
        with ahead_of_others(options.realtime):
            if "paint" in options.only:
                measure_first_paint(table, folder, runs)
            if "keys" in options.only:
                measure_keys(table, folder, presses)
            if "engine" in options.only:
                measure_engine(table, folder, seconds)
        if "bytes" in options.only:  # a demo at this priority would stop the machine
            measure_bytes(table, folder, seconds)
        if "screens" in options.only:
            measure_screens(table, folder, seconds, 3 if options.quick else 7)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end; goals missed: {table.failed}")
    if options.json:
        options.json.write_text(json.dumps(table.rows, indent=1))
    return int(table.failed > 0)


if __name__ == "__main__":
    sys.exit(main())

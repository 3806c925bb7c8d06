"""A small app on a real terminal, for test_tty: ``python tty_app.py LOG [MODE ...]``.

Modes: ``early`` sends itself SIGTERM before the app runs, ``unattended`` attaches nobody to
signals, ``unrestored`` has Textual forget to restore the terminal, ``nohup`` ignores SIGHUP,
``flood`` repaints the whole screen 30 times a second, ``blocked`` hangs in the event loop,
``patient`` looks for keys only when there are some.
"""

# ruff: noqa: T201
import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.widgets import Static

from glov_tui.terminal import screen_driver, tty
from glov_tui.terminal.external_editor import edit_text

LOG, MODES = Path(sys.argv[1]), sys.argv[2:]


def make_noise(when: str) -> None:
    os.write(1, f"C-OUT-{when}\n".encode())
    os.write(2, f"C-ERR-{when}\n".encode())
    subprocess.run(["sh", "-c", f"echo CHILD-OUT-{when}; echo CHILD-ERR-{when} >&2"], check=True)
    print(f"PRINT-{when}")
    warnings.warn(f"WARN-{when}", stacklevel=1)


class SmallApp(App[str]):
    CSS = "Screen { overflow: hidden; } #flood { height: 1fr; }"
    BINDINGS: ClassVar = [
        ("ctrl+c", "count", ""),
        ("c", "count", ""),
        ("e", "edit", ""),
        ("i", "ask", ""),
        ("n", "noise", ""),
        ("p", "paint", ""),
        ("q", "quit", ""),
        ("r", "redraw", ""),
        ("x", "fail", ""),
        ("z", "suspend_process", ""),
    ]
    count = 0
    beats = 0
    longest_beat = 0.0

    def compose(self) -> ComposeResult:
        yield Static("starting", id="line", markup=False)
        yield Static("─│ ⣿ é 漢", id="symbols")
        yield Static(id="flood")

    def on_mount(self) -> None:
        terminal = tty.current_terminal()
        assert terminal is not None
        if "unattended" not in MODES:
            terminal.signals.attach(asyncio.get_running_loop(), self.on_signal)
        print("mounted", *self.size, flush=True)
        self.last_beat = time.monotonic()
        self.set_interval(0.1, self.beat)
        if "flood" in MODES:
            self.set_interval(1 / 30, self.flood)
        self.call_after_refresh(self.show, "ready")

    def on_signal(self, number: signal.Signals) -> None:
        print("told", number.name)
        self.set_timer(0.01, partial(self.exit, number.name))  # needs the app's context

    def show(self, text: str) -> None:
        width, height = self.size
        self.query_one("#line", Static).update(f"{text} {width}x{height}", layout=False)
        if "blocked" in MODES:
            print("blocked", flush=True)
            time.sleep(60)

    def beat(self) -> None:
        now = time.monotonic()
        self.longest_beat = max(self.longest_beat, now - self.last_beat)
        self.last_beat = now
        self.beats += 1
        print(f"beat {self.beats} longest {self.longest_beat:.3f}", flush=True)

    def flood(self) -> None:
        width, height = self.size
        text = f"{time.monotonic():.3f} " * (width * height // 10)
        self.query_one("#flood", Static).update(text, layout=False)

    def action_count(self) -> None:
        self.count += 1
        self.show(f"count {self.count}")

    def action_paint(self) -> None:
        self.refresh(layout=True)

    def action_redraw(self) -> None:
        tty.redraw(self)

    def action_noise(self) -> None:
        make_noise("DURING")
        self.show("noise made")

    def action_edit(self) -> None:
        done = threading.Event()

        def chatter() -> None:
            while not done.wait(0.01):
                print("CHATTER")

        thread = threading.Thread(target=chatter)
        thread.start()
        edited = edit_text(self, "some text")
        done.set()
        thread.join()
        self.show(f"edited: {edited}")

    def action_ask(self) -> None:
        try:
            answer = input("QUESTION")
        except EOFError:
            answer = "nobody there"
        self.show(answer)

    def action_fail(self) -> None:
        raise RuntimeError("failed on purpose")


def main() -> None:
    if "nohup" in MODES:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if "unrestored" in MODES:
        screen_driver.ScreenDriver.stop_application_mode = lambda self: self.disable_input()
    if "patient" in MODES:
        screen_driver.POLL_SECONDS = 3600.0
    with tty.screen_descriptors(LOG):
        if "early" in MODES:
            os.kill(os.getpid(), signal.SIGTERM)
        app = SmallApp(driver_class=screen_driver.screen_driver())
        result = app.run()
    make_noise("AFTER")
    print(f"result {result}", flush=True)


main()

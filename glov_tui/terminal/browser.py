"""A page of a browser in place of a terminal, at the other end of two pipes.

`glov serve` starts ``glov attach`` with ``TEXTUAL_DRIVER`` naming ``BrowserDriver``; Textual's own
web driver, which this one is built on, will do as well. What is left of the screen's own driver is
what goes over the line: only cells that change, as the byte budget allows.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
from typing import Any, cast

from textual.app import App
from textual.drivers import web_driver
from textual.drivers.web_driver import WebDriver

from glov_tui.terminal.governor import Governor
from glov_tui.terminal.pastes import PasteParser
from glov_tui.terminal.screen_diff import ScreenDiff
from glov_tui.terminal.terminal_writer import CANCEL

REDRAW = "redraw"
"""A packet of this type tells the driver that the page may show anything."""

_NO_WRAP = "\x1b[?7l"  # what ``ScreenDiff`` needs
_MODES = f"\x1b[?1049h{_NO_WRAP}\x1b[?25l\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h\x1b[?2004h"
"""As Textual's: other screen, no cursor, mouse, bracketed paste."""

cast(Any, web_driver).XTermParser = PasteParser  # its input thread makes one


def use_pipes() -> None:
    """Keep standard input and output for the page: what else is printed goes to standard error.

    For the whole process: what is printed after the app would not be understood either.
    """
    stdin = os.fdopen(os.dup(0), encoding="utf-8", errors="replace")
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.__stdin__ = stdin  # type: ignore[misc]
    sys.__stdout__ = stdout  # type: ignore[misc]


class BrowserDriver(WebDriver):
    """Sends only cells that change, and ends the app when the server is gone."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.governor: Governor | None = None  # told what is written
        self._diff = ScreenDiff()
        self._gone = False
        self._context = contextvars.copy_context()  # Textual finds the app by it
        cast(Any, self)._write = self._write_all

    def start_application_mode(self) -> None:
        """Say that there is an app, and take the page."""
        super().start_application_mode()
        self.write(_NO_WRAP)

    def write(self, data: str) -> None:
        """Write to the page. The server never keeps it waiting."""
        data = self._diff.reduce(data, *self._app.size)
        if not data:
            return
        data = data.encode(errors="replace").decode()  # half of a pair can't be sent
        if self.governor is not None:
            self.governor.spend(len(data.encode()))
        super().write(data)

    def redraw(self) -> None:
        """Write every cell again, whatever the page is thought to show."""
        self._diff.invalidate()
        self.write(CANCEL + _MODES)
        if self._app.is_running and self._app.screen_stack:
            self._app.refresh(layout=True)

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        """Obey the server; on the input thread."""
        if packet_type == REDRAW:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self.redraw, context=self._context)
        else:
            super().on_meta(packet_type, payload)

    def run_input_thread(self) -> None:
        """Read keys until told to stop, or until there is no server any more."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._end()

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._gone:
            try:
                rest = rest[os.write(self.fileno, rest) :]
            except OSError:
                self._end()

    def _end(self) -> None:
        self._gone = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._app.exit, context=self._context)

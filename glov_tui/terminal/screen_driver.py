"""The driver between Textual and the terminal; with ``tty`` the only user of Textual's internals.

Textual's own driver blocks the event loop when the terminal stops reading, spins when it is gone,
and ends the app on a byte that is no UTF-8. This one does not.
"""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import os
import selectors
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from textual import constants
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from glov_tui.terminal.governor import MAX_QUEUED_FRAMES, Governor
from glov_tui.terminal.pastes import PasteParser
from glov_tui.terminal.screen_diff import ScreenDiff
from glov_tui.terminal.terminal_kind import encode_plain
from glov_tui.terminal.terminal_writer import CANCEL, TerminalWriter, open_unblocked
from glov_tui.terminal.tty import current_terminal

FRAME_CHARACTERS = 64
"""Shorter writes hold up nothing: a few cells, or control sequences."""
PLAIN = "\x1b[0m"  # frames leave their colours behind
_ALTERNATE_SCREEN = ("\x1b[?1049h", "\x1b[?1049l")
CLOSE_SECONDS = 1.0
"""How long leaving waits for a terminal that does not read."""
POLL_SECONDS = 0.1
"""How often the input thread looks whether an escape was a key of its own."""
READ_BYTES = 4096


def screen_driver() -> type[Driver] | None:
    """What to give ``App(driver_class=...)``; None where TEXTUAL_DRIVER names another."""
    return None if constants.DRIVER else ScreenDriver


class ScreenDriver(LinuxDriver):
    """Never waits for the terminal, and writes only cells that change.

    While more than ``MAX_QUEUED_FRAMES`` frames wait for it, the app makes no further ones; what
    changes meanwhile is painted in one frame when the terminal has caught up. When the terminal
    is gone, the app is told SIGHUP (without a ``Terminal`` it exits).
    """

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        if size is None:  # else measured on fds 0 to 2, which may be elsewhere
            self._size = self._get_terminal_size()
        self._terminal = current_terminal()
        self._plain = self._terminal is not None and not self._terminal.unicode
        self.governor: Governor | None = None  # told what is written
        self._diff = ScreenDiff()
        self._sync_waits = False
        self._writer: TerminalWriter | None = None
        self._own_fd: int | None = None
        self._wake: int | None = None  # what is written here wakes the input thread
        self._context = contextvars.copy_context()  # Textual finds the app by it
        self._hold = contextlib.ExitStack()
        self._held = False
        self._frame_lost = False
        self._afterwards = ""
        self._is_up = False
        if self._terminal is not None:
            # Python's prints are Textual's to catch while it runs; it drops them.
            log = cast(Any, self._terminal.log)
            app._capture_stdout = app._capture_stderr = log

    @property
    def queued_frames(self) -> int:
        """Frames that the terminal has not taken in full."""
        return self._writer.frames if self._writer is not None else 0

    # -- Textual's interface -----------------------------------------------------------------

    def start_application_mode(self) -> None:
        """Take the terminal."""
        follows = self._terminal is not None and self._terminal.stays
        if self._terminal is not None:
            fd = self._terminal.output_fd
            self._terminal.screen_up = True
        else:
            fd = self._own_fd = open_unblocked(cast(TextIO, self._file).fileno())
        self._diff.invalidate()
        self._sync_waits = False
        self._writer = TerminalWriter(fd, self._on_gone)
        self._writer.start()
        # Its own writer thread sleeps beside ours.
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._is_up = True
        if self._terminal is not None and follows:
            self.attrs_before = self._terminal.attributes  # what it found is the other app's
            self._terminal.stays = False

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was found. Frames that still wait are dropped.

        To an app that follows it goes as it is: its screen, and what is typed meanwhile.
        """
        if self._terminal is not None and self._terminal.stays:
            self.attrs_before = None
        if self._writer is not None and self._writer.discard():
            self.write(CANCEL)
        if self._afterwards:
            self.tell(self._afterwards)
        self._is_up = False
        self.write(PLAIN)
        super().stop_application_mode()
        if self._wake is not None:
            os.close(self._wake)
            self._wake = None

    def disable_input(self) -> None:
        """Read no more keys from now on: what follows on the terminal is not to wait for that."""
        if self._wake is not None:
            with contextlib.suppress(OSError):  # the thread has ended
                os.write(self._wake, b"end")
        super().disable_input()

    def close(self) -> None:
        """Wait for the terminal to take the last of it, ``CLOSE_SECONDS`` at most."""
        super().close()
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if writer.stop(CLOSE_SECONDS) and self._terminal is not None:
            self._terminal.screen_up = self._terminal.stays
        self._release()
        if self._own_fd is not None and not writer.is_alive():
            os.close(self._own_fd)
            self._own_fd = None

    def write(self, data: str) -> None:
        """Write to the terminal, or queue; returns at once."""
        if self._writer is None:
            return
        if self._terminal is not None and self._terminal.stays and data in _ALTERNATE_SCREEN:
            return
        # The brackets around a synchronised frame are written with it, or not at all.
        if data == SYNC_START:
            self._sync_waits = True
            return
        if data == SYNC_END and self._sync_waits:
            self._sync_waits = False
            return
        data = self._diff.reduce(data, *self._app.size)
        if not data:
            return
        if self._sync_waits:
            data = SYNC_START + data
            self._sync_waits = False
        is_frame = len(data) >= FRAME_CHARACTERS
        encoded = encode_plain(data) if self._plain else data.encode(errors="replace")
        if self.governor is not None:
            self.governor.spend(len(encoded))
        self._writer.write(encoded, is_frame)
        if is_frame and self.queued_frames >= MAX_QUEUED_FRAMES:
            # Later, not now: this may be the middle of a repaint.
            self._loop.call_soon(self._hold_frames)

    def tell(self, sequence: str, afterwards: str | None = None) -> None:
        """Write a sequence that changes no cell, past what is known of them.

        ``afterwards`` is what undoes it, written when the terminal is given back, at ctrl+z, and
        after a crash; None leaves what was said before.
        """
        if afterwards is not None:
            self._afterwards = afterwards
            if self._terminal is not None:
                self._terminal.afterwards = afterwards
        if self._writer is None or not self._is_up:
            return
        encoded = encode_plain(sequence) if self._plain else sequence.encode(errors="replace")
        if self.governor is not None:
            self.governor.spend(len(encoded))
        self._writer.write(encoded, False)

    def redraw(self) -> None:
        """Write every cell again, whatever the terminal is thought to show."""
        self._diff.invalidate()
        self._app.refresh(layout=True)

    def run_input_thread(self) -> None:
        """Read keys until told to stop, and then what has been typed by that time."""
        parser = PasteParser(self._debug)
        woken, self._wake = os.pipe()
        # A wrong byte from the line is no reason to end.
        decode = codecs.getincrementaldecoder("utf-8")("ignore").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            try:
                ends = False
                while not ends:
                    ends = self.exit_event.is_set()
                    for key, _ in selector.select(0 if ends else POLL_SECONDS):
                        if key.fd == self.fileno and (text := decode(os.read(key.fd, READ_BYTES))):
                            for event in parser.feed(text):
                                self.process_message(event)
                    for event in parser.tick():
                        self.process_message(event)
            except OSError:
                self._on_gone()
            finally:
                os.close(woken)

    # -- a terminal that does not keep up ----------------------------------------------------

    def _hold_frames(self) -> None:
        """Let repaints pile up in Textual, which merges them, instead of in the queue."""
        if self._held or self._writer is None or self.queued_frames < MAX_QUEUED_FRAMES:
            return
        self._held = True
        self._frame_lost = False
        app = self._app
        self._hold.enter_context(app.batch_update())
        before = app.post_display_hook

        def lost() -> None:  # what is painted in a batch goes nowhere
            self._frame_lost = True
            before()

        app.post_display_hook = lost  # type: ignore[method-assign]
        self._hold.callback(setattr, app, "post_display_hook", before)
        self._writer.when_drained(self._release_soon)

    def _release_soon(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._release, context=self._context)

    def _release(self) -> None:
        if not self._held:
            return
        self._held = False
        self._hold.close()
        app = self._app
        if not app.is_running or not app.screen_stack:
            return
        if self._frame_lost:
            app.screen.refresh()
        app.screen.check_idle()

    def _on_gone(self) -> None:
        """On the writer's or the input thread, perhaps twice."""
        self.exit_event.set()  # reading from a dead terminal returns at once, for ever
        if self._terminal is not None:
            self._terminal.signals.tell(signal.SIGHUP)
        else:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._app.exit)


@contextlib.contextmanager
def suspended(app: App[Any]) -> Iterator[None]:
    """Leave the terminal to another program; prints still go to the log.

    Raises:
        textual.app.SuspendNotSupported: if the app has no terminal (tests, browser).
    """
    failure: BaseException | None = None
    terminal = current_terminal()
    out = terminal.log if terminal is not None else sys.stdout
    with app.suspend():
        try:
            with redirect_stdout(out), redirect_stderr(out):
                yield
        except BaseException as error:  # passing through App.suspend, it would leave us suspended
            failure = error
    if failure is not None:
        raise failure

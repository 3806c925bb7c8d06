"""An app whose main thing is a table of runs that is always up to date.

A thread of its own looks at the folders; what it has seen is replaced as a whole, and drawn by a
pump as the byte budget allows.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.message import Message

from glov_tui.cockpit.notices import NoticesApp
from glov_tui.cockpit.themes import begin_in_colours
from glov_tui.cockpit.user_settings import theme_of_user
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.terminal.governor import Governor
from glov_tui.terminal.screen_driver import screen_driver
from glov_tui.terminal.tty import Terminal, count_writes, queued_frames, redraw
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Span

LOOK_SECONDS = 0.5  # between two looks at the folders, or ten times what one takes
LOOK_SECONDS_MOST = 5.0  # so that a first look that took long does not leave an old state in view
PUMP_SECONDS = 0.2
CTRL_C_SECONDS = 3.0
_STYLES = {
    "dim": "$text-muted",
    "strong": "bold",
    "good": "bold $text-success",
    "bad": "$text-error",
    "note": "bold $text-warning",
    "mark": "$text-accent",
}

S = TypeVar("S")


def rest_after(took: float, least: float) -> float:
    """Seconds between two looks: ten times what one took, within bounds."""
    return min(max(least, 10 * took), LOOK_SECONDS_MOST)


def begin_to_look(look: Callable[[], None], name: str) -> None:
    """Look on a thread that may post messages: Textual finds the app by the context."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(look,), name=name, daemon=True).start()


class LiveTableApp(NoticesApp, Generic[S]):
    """Shows what ``look`` gives, again and again, until a person leaves it or opens a run."""

    TITLE = "glov"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #runs-status { height: 1; background: $panel; text-wrap: nowrap; }
    #runs { border: round $foreground 35%; border-title-color: $foreground; }
    .-ascii #runs { border: ascii $foreground 35%; }
    #details { height: 3; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    LIVE_KEYS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "help_quit", "Quit", show=False, priority=True),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Write the whole screen again"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = LIVE_KEYS
    PARTS: ClassVar[tuple[str, ...]] = ("#runs-status", "#runs", "#details")  # that are drawn on
    CTRL_C = "Press ctrl+c again to leave; what runs goes on."

    def __init__(self, terminal: Terminal | None, kib_per_second: float) -> None:
        super().__init__(driver_class=screen_driver() if terminal else None)
        begin_in_colours(self)
        self.theme = theme_of_user(self.available_themes) or self.theme
        self._terminal = terminal
        ascii_only = terminal is not None and not terminal.unicode
        self.set_class(ascii_only, "-ascii")
        self._glyphs = ASCII if ascii_only else UNICODE
        self.governor = Governor(kib_per_second)
        self._seen: S | None = None  # replaced as a whole by the thread that looks
        self._ended = threading.Event()
        self._look_now = threading.Event()
        self._ctrl_c_at = float("-inf")
        self.quits = False  # all of glov is to be left, not this screen only

    @property
    def seen(self) -> S | None:
        """What was seen last."""
        return self._seen

    class FirstSeen(Message):
        """There is something to draw: a person who waits for it does not wait for the pump."""

    # -- for subclasses ----------------------------------------------------------------------

    def look(self) -> Iterator[S]:
        """What is there now, on the thread that looks; perhaps in parts, the last one whole."""
        raise NotImplementedError

    def draw(self, seen: S) -> None:
        """Show what was seen."""
        raise NotImplementedError

    def before_drawing(self, seen: S) -> bool:
        """At each tick; whether there is something to draw."""
        return True

    def is_followed(self) -> bool:
        """Whether another app follows this one on the terminal."""
        return False

    # -- the app's life ----------------------------------------------------------------------

    def on_mount(self) -> None:
        """First paint, then the first look."""
        self.query_one(RowTable).focus()
        count_writes(self, self.governor)
        self.app_resume_signal.subscribe(self, lambda _: redraw(self))
        if self._terminal is not None:
            self._terminal.signals.attach(asyncio.get_running_loop(), self._told)
        begin_to_look(self._look, "glov-runs")
        self.set_interval(PUMP_SECONDS, self._pump)
        self.call_after_refresh(gc.enable)

    def on_unmount(self) -> None:
        """Look no more."""
        self._ended.set()
        self._look_now.set()

    def exit(self, *given: object, **named: object) -> None:
        """Leave; the terminal stays as it is where another app follows."""
        if self._terminal is not None:
            self._terminal.stays = self.is_followed() and not self.quits
        super().exit(*given, **named)  # type: ignore[arg-type]

    def _look(self) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            self._look_now.clear()
            for seen in self.look():
                is_first, self._seen = self._seen is None, seen
                if self._ended.is_set():
                    return
                if is_first:
                    self.post_message(self.FirstSeen())
            took = time.monotonic() - begun
            self._look_now.wait(rest_after(took, LOOK_SECONDS))

    def look_soon(self) -> None:
        """Look again at once: something was done that changes what is there."""
        self._look_now.set()

    # -- drawing -----------------------------------------------------------------------------

    @on(FirstSeen)
    def _pump(self) -> None:
        seen = self._seen
        if seen is None or not self.is_whole() or not self.before_drawing(seen):
            return
        if len(self.screen_stack) > 1 or not self.governor.may_repaint(queued_frames(self)):
            return
        self.draw(seen)

    def draw_again(self) -> None:
        """Draw what was seen last: the person has changed how it is shown."""
        if self._seen is not None and self.is_whole():
            self.draw(self._seen)

    @on(RowTable.RowSelected)
    def _cursor_moved(self) -> None:
        self.draw_again()

    def on_resize(self, event: Resize) -> None:
        """Other columns fit."""
        if self._seen is not None:
            self.call_after_refresh(self.draw_again)

    def is_whole(self) -> bool:
        """Whether all that is drawn on is there: it comes after the app, and goes before it."""
        stack = self.screen_stack
        return bool(stack) and all(stack[0].query(part) for part in self.PARTS)

    # -- leaving -----------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Quit."""
        self.exit()

    def action_help_quit(self) -> None:
        """Ctrl+c: the first asks for a second, the second leaves all of glov."""
        now = time.monotonic()
        if now - self._ctrl_c_at < CTRL_C_SECONDS:
            self.quits = True
            self.exit()
        else:
            self._ctrl_c_at = now
            self.notify(self.CTRL_C, timeout=CTRL_C_SECONDS)

    def action_redraw(self) -> None:
        """Write the whole screen again."""
        redraw(self)

    async def action_quit(self) -> None:
        """Textual's own quit keys ask as ours do."""
        self.action_leave()

    def _told(self, number: signal.Signals) -> None:
        """What ends a screen does not end what runs."""
        self.quits = True
        self.exit()


def content(spans: Sequence[Span]) -> Content:
    """A line of spans in the colours of the theme."""
    return Content.assemble(*((text, _STYLES.get(style, "")) for text, style in spans))

"""What is said to the person for a moment: on the line of the keys, where it covers no data."""

from __future__ import annotations

from typing import Any

from textual._styles_cache import StylesCache
from textual.binding import Binding
from textual.events import Event, Key
from textual.notifications import SeverityLevel

from engine.common.intervals import wilson_interval
from engine.run.state import RunState
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.key_order import KeysInOrder
from glov_tui.common.accuracy import with_interval
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar


def said_at_the_end(state: RunState, leave: str = "q") -> str:
    """What came of a run: the test accuracies in percent with their 95 % intervals.

    ``leave`` is the key that leaves the cockpit.
    """
    parts = []
    for subject, tested in {test.subject: test for test in state.tests}.items():
        if subject == "asked":  # by a person: no result of the run
            continue
        interval = wilson_interval(tested.hits, tested.n)
        parts.append(f"{subject} {with_interval(tested.hits / tested.n, interval)}")
    result = f"Test accuracy: {', '.join(parts)}." if parts else "All steps are done."
    return f"{result} {leave} quits and shows the result."


_IN_WORDS = {
    "\N{ERASE TO THE LEFT}": "bksp",
    "\N{UPWARDS ARROW}": "up",
    "\N{DOWNWARDS ARROW}": "down",
    "\N{LEFTWARDS ARROW}": "left",
    "\N{RIGHTWARDS ARROW}": "right",
}
"""Signs of keys that an ASCII terminal has not, or has as the sign of another key: ``?``, ``<``."""


class NoticesApp(KeysInOrder):
    """``notify`` writes on the key line of the screen on top that has one."""

    def on_unmount(self) -> None:
        """Let go of the widgets: Textual remembers their colours by what drew them, for good, and
        one app follows another on a terminal.
        """
        StylesCache.get_inner_outer.cache_clear()

    def get_key_display(self, binding: Binding) -> str:
        """The key as sentences name it too: in words, also where the terminal has no sign."""
        shown = super().get_key_display(binding).replace("\N{RETURN SYMBOL}", "enter")
        if self.has_class("-ascii"):
            for sign, word in _IN_WORDS.items():
                shown = shown.replace(sign, word)
        return shown

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Say something for ``timeout`` seconds, 5 by default; it is text, never markup."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        super().notify(message, title=title, severity=severity, timeout=seconds, markup=False)
        bar = self._key_bar
        if bar is not None:
            bar.show_notice(title, message, severity, seconds)

    async def on_event(self, event: Event) -> None:
        """A key that is pressed takes down what has been read, before it does what it does."""
        if isinstance(event, Key) and not event.is_forwarded and self._key_bar is not None:
            self._key_bar.key_pressed()
        await super().on_event(event)

    async def run_action(self, *given: Any, **named: Any) -> bool:
        """Do what a key says, or say in words that glov is not what it was when it started."""
        try:
            return await super().run_action(*given, **named)
        except ImportError as error:
            leave = bound_key(self, "leave")
            what = clean(f"glov was changed while this screen was open ({error}).")
            self.notify(
                f"{what} The run is not touched: leave with {leave}, and attach or resume it.",
                severity="error",
                timeout=20,
            )
            return True

    def clear_notifications(self) -> None:
        """Show the keys again."""
        super().clear_notifications()
        bar = self._key_bar
        if bar is not None:
            bar.end_notice()

    @property
    def _key_bar(self) -> KeyBar | None:
        for screen in reversed(self.screen_stack):
            bar: KeyBar | None = next(iter(screen.query(KeyBar)), None)
            if bar is not None:
                return bar
        return None

    def _refresh_notifications(self) -> None:
        """Show no toasts: they would lie on the panes."""

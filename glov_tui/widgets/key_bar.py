"""The keys that work now, in one line, or for a while a notice: it never covers data.

Textual's footer has a widget for each key, and its toasts lie on the panes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

HELPING = ("help", "app.help")
"""What shows all keys: of an app, and from a dialog."""
READ_SECONDS = 2.0
"""A notice that is up for so long has been seen."""


class KeyBar(Static):
    """Keys and their descriptions; a click on one does what the key does.

    What doesn't fit is left out from the end, and counted there with the key of help, which has
    them all. It repaints only when the keys that work change.
    """

    DEFAULT_CSS = """
    KeyBar {
        height: auto; max-height: 4; dock: bottom; background: $panel; text-wrap: nowrap;
        &.-notice { text-wrap: wrap; padding: 0 1; }
        &.-warning { background: $warning-muted; color: $text-warning; }
        &.-error { background: $error-muted; color: $text-error; }
        link-style: none; link-color: $foreground; link-background: transparent;
    }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self._keys: list[tuple[str, str, str]] = []
        self._help = ""
        self._notice: Content | None = None
        self._timer: Timer | None = None
        self._shown_at = 0.0  # by the monotonic clock

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)

    def on_resize(self) -> None:
        """Another number of keys fits."""
        self._draw()

    def _changed(self, screen: Screen[object]) -> None:
        found: dict[str, tuple[str, str, str]] = {}
        shown: set[str] = set()  # what a key does first is what it does
        bindings = self._in_order()
        for binding, enabled in bindings:
            if not (binding.show and enabled) or binding.action in found:
                continue
            key = self.app.get_key_display(binding)
            if key not in shown:
                found[binding.action] = (key, binding.description, binding.key)
                shown.add(key)
        helping = (key for key, enabled in bindings if enabled and key.action in HELPING)
        self._help = next((f" ({self.app.get_key_display(key)})" for key in helping), "")
        if list(found.values()) != self._keys:
            self._keys = list(found.values())
            self._draw()

    def _in_order(self) -> Sequence[tuple[Binding, bool]]:
        """The bindings that are active; those that a person gave other keys to are where they were.

        Textual has them last, where there may be no room.
        """
        found = [
            (binding, enabled) for _, binding, enabled, _ in self.screen.active_bindings.values()
        ]
        own = [key for key in self.app.BINDINGS if isinstance(key, Binding)]
        order: dict[str | None, int] = {key.id: i for i, key in enumerate(own) if key.id}
        named = [pair for pair in found if pair[0].id in order]
        named.sort(key=lambda pair: order[pair[0].id])
        following = iter(named)
        return [next(following) if pair[0].id in order else pair for pair in found]

    def show_notice(self, title: str, message: str, severity: str, seconds: float) -> None:
        """Show a notice in place of the keys for some seconds; a later one replaces it."""
        if self._timer is not None:
            self._timer.stop()
        self._notice = Content.assemble((title, "bold"), "  " if title else "", message.strip())
        self.set_class(True, "-notice")
        self.set_class(severity == "warning", "-warning")
        self.set_class(severity == "error", "-error")
        self._timer = self.set_timer(seconds, self.end_notice)
        self._shown_at = time.monotonic()
        self._draw()

    def key_pressed(self) -> None:
        """A notice that was there to be read gives way to the keys: a person is looking."""
        if self._notice is not None and time.monotonic() - self._shown_at >= READ_SECONDS:
            self.end_notice()

    def end_notice(self) -> None:
        """Show the keys again."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._notice = None
        self.remove_class("-notice", "-warning", "-error")
        self._draw()

    def _draw(self) -> None:
        if self._notice is not None:
            self.update(self._notice)
            return
        width = self.size.width
        sizes = [cell_len(key) + cell_len(about) + 3 for key, about, _ in self._keys]
        fitting = len(sizes)
        while fitting and sum(sizes[:fitting]) + len(self._rest(fitting)) > width:
            fitting -= 1
        parts: list[Content] = []
        for key, description, name in self._keys[:fitting]:
            markup = f"[@click=app.simulate_key('{name}')] [b $accent]$key[/] $description [/]"
            parts.append(Content.from_markup(markup, key=key, description=description))
        parts.append(Content.styled(self._rest(fitting), "$text-muted"))
        self.update(Content("").join(parts), layout=self.size.height != 1)

    def _rest(self, fitting: int) -> str:
        """What is said of the keys that do not fit."""
        more = len(self._keys) - fitting
        return f" +{more}{self._help}" if more else ""

"""The keys that work now, in one line: Textual's footer without a widget for each key."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static


class KeyBar(Static):
    """Keys and their descriptions; a click on one does what the key does.

    What doesn't fit is left out from the end, and counted there: help (``?``) has them all. It
    repaints only when the keys that work change.
    """

    DEFAULT_CSS = """
    KeyBar {
        height: 1; dock: bottom; background: $panel; text-wrap: nowrap;
        link-style: none; link-color: $foreground; link-background: transparent;
    }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self._keys: list[tuple[str, str, str]] = []

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)

    def on_resize(self) -> None:
        """Another number of keys fits."""
        self._draw()

    def _changed(self, screen: Screen[object]) -> None:
        found: dict[str, tuple[str, str, str]] = {}
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if binding.show and enabled and binding.action not in found:
                key = self.app.get_key_display(binding)
                found[binding.action] = (key, binding.description, binding.key)
        if list(found.values()) != self._keys:
            self._keys = list(found.values())
            self._draw()

    def _draw(self) -> None:
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
        self.update(Content("").join(parts), layout=False)

    def _rest(self, fitting: int) -> str:
        """What is said of the keys that do not fit."""
        more = len(self._keys) - fitting
        return f" +{more} (?)" if more else ""

"""Fields of one line: a choice among a few values, and an input for a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input, Static


class Choice(Static, can_focus=True):
    """One of a few values; a click or the right arrow takes the next, the left one the last."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Choice { height: 1; background: $foreground 8%; text-wrap: nowrap; }
    Choice:focus {
        background: $block-cursor-background; color: $block-cursor-foreground;
        text-style: $block-cursor-text-style;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "cycle(1)", "Next value", show=False),
        Binding("left,h", "cycle(-1)", "Value before", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Field before", show=False),
    ]

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            """The widget, for ``@on(Choice.Changed, "#id")``."""
            return self.choice

    def __init__(
        self, values: Sequence[str], value: str, *, id: str | None = None, classes: str = ""
    ) -> None:
        super().__init__("", id=id, classes=classes, markup=False)
        self._values = tuple(values)
        self._value = value

    def on_mount(self) -> None:
        """Show the first value."""
        self._draw()

    @property
    def value(self) -> str:
        """The chosen value."""
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self._draw()

    def _draw(self) -> None:
        self.update(f"<{self._value}>", layout=False)

    def action_cycle(self, by: int) -> None:
        """Choose the value that is ``by`` places on."""
        at = self._values.index(self._value) if self._value in self._values else 0
        self.value = self._values[(at + by) % len(self._values)]
        self.post_message(self.Changed(self))

    def on_click(self) -> None:
        """A click takes the next value."""
        self.action_cycle(1)


class ValueField(Input):
    """An input for a value: numbers, lists of them, ``auto``. All printable keys are text here."""

    DEFAULT_CSS = """
    ValueField { height: 1; border: none; padding: 0; background: $foreground 8%; }
    ValueField:focus { border: none; }
    ValueField.-wrong, Choice.-wrong { background: $error-muted; text-style: underline; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Field before", show=False),
    ]

    def __init__(self, value: str = "", *, id: str | None = None, classes: str = "") -> None:
        super().__init__(value, id=id, classes=classes, compact=True)

"""What all dialogs are: left once, however many keys come in one read."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from glov_tui.cockpit.bound_keys import bound_keys
from glov_tui.cockpit.styled_once import StyledOnce

T = TypeVar("T")

HELP_KEY = Binding(
    "question_mark,f1", "app.help", "Help", key_display="?", show=False, tooltip="All keys"
)
"""Help in a dialog that takes no text."""


class LeftOnce(StyledOnce[T], Generic[T]):
    """A screen whose first dismissal counts.

    On a slow line, or in a paste, two keys arrive in one read: both are handled before the screen
    is gone, and Textual fails at the second dismissal.
    """

    OPENED_BY: ClassVar[str] = ""
    """The id of the binding of the cockpit that opens it, whose keys close it too."""
    CLOSES: ClassVar[str] = "dismiss(None)"
    """What those keys do."""

    _is_left = False

    def on_mount(self) -> None:
        """Close by the keys that open it, as a person has bound them; its own ones come first."""
        for key in bound_keys(self.app, self.OPENED_BY) if self.OPENED_BY else ():
            if key not in self._bindings.key_to_bindings:
                self._bindings.bind(key, self.CLOSES, "Close", show=False)

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave with a result; nothing the second time."""
        if self._is_left:
            return AwaitComplete()
        self._is_left = True
        return super().dismiss(result)


class Dialog(LeftOnce[T], ModalScreen[T], Generic[T]):
    """A modal screen that is left once. Help is a key that no text takes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "app.help", "Help", show=False, tooltip="All keys"),
    ]

    DEFAULT_CSS = """
    Dialog > * { border-subtitle-color: $text-muted; }
    Dialog VerticalScroll, Dialog TextArea { scrollbar-size-vertical: 1; }
    """

"""Asking for the path of a file."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.widgets.fields import ValueField
from glov_tui.widgets.key_bar import KeyBar


class PathScreen(Dialog[str]):
    """One field; the result is what was typed, nothing where it was cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "done", "Take it", priority=True),
        Binding("escape", "dismiss('')", "Cancel"),
    ]
    DEFAULT_CSS = """
    PathScreen { align: center middle; }
    PathScreen > Vertical {
        width: 90%; max-width: 100; height: auto; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        """The field."""
        with Vertical() as box:
            box.border_title = self._title
            yield ValueField()
        yield KeyBar()

    def action_done(self) -> None:
        """Leave with what was typed."""
        self.dismiss(self.query_one(ValueField).value.strip())

"""A question before something is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.widgets import Button, Label

from glov_tui.cockpit.screens.dialog import Dialog


class QuestionScreen(Dialog[str]):
    """Asks one question; the result is the key of an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "harmless", "No"),
        Binding("left", "app.focus_previous", "Answer before", show=False),
        Binding("right", "app.focus_next", "Next answer", show=False),
    ]
    DEFAULT_CSS = """
    QuestionScreen { align: center middle; }
    QuestionScreen > Vertical {
        width: 60; max-width: 95%; height: auto; border: round $warning;
        padding: 1 2; background: $surface;
        Label { width: 1fr; height: auto; }
        Horizontal { height: auto; align-horizontal: right; margin-top: 1; }
        Button { margin-left: 2; min-width: 0; }
    }
    """

    def __init__(self, title: str, question: str, answers: Mapping[str, str]) -> None:
        """``answers`` by their keys, a letter each; the first is the harmless one."""
        super().__init__()
        self._title, self._question, self._answers = title, question, answers

    def compose(self) -> ComposeResult:
        """The question and a button for each answer."""
        with Vertical() as box:
            box.border_title = self._title
            yield Label(self._question, markup=False)
            with Horizontal():
                for key, answer in self._answers.items():
                    button = Button(f"{answer} ({key})", id=key, compact=True)
                    button.variant = "default" if key == self._harmless else "warning"
                    yield button

    def on_mount(self) -> None:
        """The harmless answer first."""
        self.query_one(f"#{self._harmless}").focus()

    @property
    def _harmless(self) -> str:
        return next(iter(self._answers))

    def on_key(self, event: Key) -> None:
        """The key of an answer gives it."""
        if event.key in self._answers:
            event.stop()
            self.dismiss(event.key)

    def action_harmless(self) -> None:
        """Close with the harmless answer."""
        self.dismiss(self._harmless)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id)


def ask_to_drop(app: App[Any], drop: Callable[[], object]) -> None:
    """Ask whether what was typed is to be lost; ``drop`` is called if it is."""

    def answered(answer: str | None) -> None:
        if answer == "y":
            drop()

    question = QuestionScreen("drop", "Drop what you typed?", {"n": "No", "y": "Drop"})
    app.push_screen(question, answered)

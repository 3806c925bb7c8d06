"""Typing a template of one's own, which is scored at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from engine.config import Accept
from engine.prompt_template import PLACEHOLDER
from engine.reply import parse_reply


class InjectScreen(ModalScreen[str | None]):
    """One line to type a template into; says while typing whether it can be scored."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]
    DEFAULT_CSS = """
    InjectScreen { align: center middle; }
    InjectScreen > Vertical {
        width: 90%; max-width: 100; height: auto; border: round $accent;
        padding: 0 1; background: $surface;
        #problem { color: $text-muted; height: auto; }
    }
    """

    def __init__(self, may_save: Callable[[], bool], accept: Accept) -> None:
        """
        Args:
            may_save: says, and tells the person, where nothing can be sent from here now.
            accept: as ``proposal.accept`` of the run.
        """
        super().__init__()
        self._may_save = may_save
        self._accept = accept

    def compose(self) -> ComposeResult:
        """The input and a line on what is typed."""
        with Vertical() as box:
            box.border_title = "inject a template"
            box.border_subtitle = "enter: score it, escape: cancel"
            yield Input(placeholder=f"a photo of a {PLACEHOLDER}.", id="template", compact=True)
            yield Label(f"Write {PLACEHOLDER} where the class name goes.", id="problem")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self.query_one("#problem", Label).update(self._problem(event.value) or "Can be scored.")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        problem = self._problem(event.value)
        if problem:
            self.notify(problem, severity="warning", markup=False)
        elif self._may_save():
            self.dismiss(event.value)

    def _problem(self, text: str) -> str | None:
        parsed = parse_reply(text, accept=self._accept)
        if parsed.template is not None:
            return None
        return parsed.reason.explanation if parsed.reason else "This is no template."

"""Typing templates of one's own, which are scored at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Label, TextArea

from engine.prompts.message import Accept
from engine.prompts.template import PLACEHOLDER, PLACEHOLDER_SPELLINGS, RejectReason
from engine.vlm.task import Task
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.text import clean

LONG_KEYS = "enter: score, ctrl+j: one more line, escape: cancel"
SHORT_KEYS = "enter: score, ctrl+j: new line, esc: leave"
NARROW = 66  # cells, below which the long ones don't fit


class TemplatesArea(TextArea):
    """Lines of text; enter is done with them, ctrl+j begins another. A paste keeps its lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "done", "Score", priority=True),
        Binding("ctrl+j", "new_line", "New line", priority=True),
    ]

    class Done(Message):
        """Enter was pressed."""

    def action_done(self) -> None:
        """Tell that the templates are typed."""
        self.post_message(self.Done())

    def action_new_line(self) -> None:
        """Begin another line."""
        self.insert("\n")


class InjectScreen(Dialog[list[str]]):
    """One template a line; says while typing whether they can be scored.

    The result are the templates as they were typed; none where the dialog was cancelled.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss([])", "Cancel")]
    DEFAULT_CSS = """
    InjectScreen { align: center middle; }
    InjectScreen > Vertical {
        width: 90%; max-width: 100; height: auto; border: round $accent;
        padding: 0 1; background: $surface;
        TextArea, TextArea:focus { height: auto; max-height: 10; border: none; padding: 0; }
        #problem { color: $text-muted; height: auto; width: 1fr; }
    }
    """

    def __init__(
        self, may_save: Callable[[], bool], accept: Accept, task: Task, template: str = ""
    ) -> None:
        """
        Args:
            may_save: says, and tells the person, where nothing can be sent from here now.
            accept: as ``proposal.accept`` of the run.
            task: of its VLM.
            template: to begin with; typing replaces it.
        """
        super().__init__()
        self._may_save = may_save
        self._accept = accept
        self._vlm_task = task
        self._template = template

    def compose(self) -> ComposeResult:
        """The lines, and what is to be said of them."""
        with Vertical() as box:
            box.border_title = "inject templates"
            narrow = self.app.size.width < NARROW
            box.border_subtitle = SHORT_KEYS if narrow else LONG_KEYS
            yield TemplatesArea(self._template, id="template", soft_wrap=True, compact=True)
            yield Label("", id="problem", markup=False)

    def on_mount(self) -> None:
        """Typing replaces what the field begins with."""
        area = self.query_one(TemplatesArea)
        area.select_all()
        area.focus()
        self._say()

    def _lines(self) -> list[str]:
        lines = self.query_one(TemplatesArea).text.splitlines()
        return [line.strip() for line in lines if line.strip()]

    @on(TextArea.Changed)
    def _say(self) -> None:
        lines = self._lines()
        said = problem_of(lines, self._accept, self._vlm_task)
        if said is None:
            said = "Can be scored." if len(lines) == 1 else f"{len(lines)} templates to score."
        self.query_one("#problem", Label).update(said)

    @on(TemplatesArea.Done)
    def _done(self) -> None:
        lines = self._lines()
        problem = problem_of(lines, self._accept, self._vlm_task)
        if problem is not None:
            self.notify(problem, severity="warning", markup=False, timeout=4)
        elif self._may_save():
            self.dismiss(lines)


def problem_of(lines: list[str], accept: Accept, task: Task) -> str | None:
    """What is wrong with the first line that can't be scored; None if all can be."""
    if not lines:
        name = f"Write {PLACEHOLDER} where the class name goes; one"
        return f"{name if task.placeholders.least else 'One'} template a line."
    for number, line in enumerate(lines, 1):
        parsed = task.read(line, accept=accept)
        if parsed.template is None:
            which = f"Line {number}: the" if len(lines) > 1 else "The"
            spelled = PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, line)  # {} is one, too
            if task.placeholders.reason(line) is RejectReason.NO_PLACEHOLDER:
                return f"{which} template lacks the placeholder {PLACEHOLDER}."
            if (problem := task.placeholders.problem(spelled)) is not None:
                return f"{which} template is no {task.form}: {problem}."
            reason = parsed.reason.explanation if parsed.reason else "This is no template."
            detail = f" ({clean(parsed.note)})" if parsed.note else ""
            text = reason.replace("The reply", "The template").rstrip(".") + detail + "."
            return f"Line {number}: {text}" if len(lines) > 1 else text
    return None

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
from engine.run.state import RunState
from engine.vlm.task import Task
from glov_tui.cockpit.injecting import Sorted, problem_of, sort_out
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.cockpit.screens.path import PathScreen
from glov_tui.common.text import clean

LONG_KEYS = "enter: score, ctrl+j: one more line, f3: a file, escape: cancel"
SHORT_KEYS = "enter: score, ctrl+j: line, f3: file, esc: leave"
NARROW = 78  # cells, below which the long ones don't fit


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
    """One template a line; says while typing which can be scored, were scored, or can't be.

    The result are the templates as they were typed, without those that can't be scored; none where
    the dialog was cancelled.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss([])", "Cancel"),
        Binding("f3", "file", "A file", priority=True, tooltip="Add the templates of a file"),
    ]
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
        self,
        may_save: Callable[[], bool],
        accept: Accept,
        task: Task,
        state: Callable[[], RunState],
        template: str = "",
    ) -> None:
        """
        Args:
            may_save: says, and tells the person, where nothing can be sent from here now.
            accept: as ``proposal.accept`` of the run.
            task: of its VLM.
            state: of the run, as it is now.
            template: to begin with; typing replaces it.
        """
        super().__init__()
        self._may_save = may_save
        self._accept = accept
        self._vlm_task = task
        self._state = state
        self._template = template
        self._asked: list[str] = []  # lines of which the usable ones are sent at the next enter

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

    def _sorted(self, lines: list[str]) -> Sorted:
        return sort_out(lines, self._state(), self._accept, self._vlm_task)

    @on(TextArea.Changed)
    def _say(self) -> None:
        lines = self._lines()
        if len(lines) > 1:
            said = self._sorted(lines).describe()
        else:
            said = problem_of(lines, self._accept, self._vlm_task) or "Can be scored."
        self.query_one("#problem", Label).update(said)

    @on(TemplatesArea.Done)
    def _done(self) -> None:
        lines = self._lines()
        problem = problem_of(lines, self._accept, self._vlm_task)
        found = self._sorted(lines)
        if problem is not None and not (found.new and lines == self._asked):
            if found.new:
                self._asked = lines
                problem = f"{problem} Enter once more scores the other {len(found.new)}."
            self.notify(problem, severity="warning", markup=False, timeout=6)
        elif self._may_save():
            self.dismiss(list(found.usable))

    def action_file(self) -> None:
        """Add the templates of a file, as `glov eval --templates` takes them."""

        def chosen(text: str | None) -> None:
            if text:
                self._add(text)

        self.app.push_screen(PathScreen("templates of a file"), chosen)

    def _add(self, text: str) -> None:
        from engine.analysis.template_list import read_texts
        from engine.common.errors import UserError
        from engine.common.user_path import user_path

        try:
            texts = read_texts(user_path(text.strip()))
        except UserError as error:
            self.notify(clean(str(error)), severity="error", markup=False, timeout=10)
            return
        area = self.query_one(TemplatesArea)
        before = [] if area.text == self._template else self._lines()
        area.load_text("\n".join([*before, *(clean(one) for one in texts)]))
        self._say()

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

from engine.analysis.pasted import texts_in
from engine.common.wording import counted
from engine.run.state import RunState
from glov_tui.cockpit.injecting import MOST, Numbered, Reader, Sorted, outlook, problem_of, sort_out
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.cockpit.screens.path import PathScreen
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar

LOOK_SECONDS = 0.03  # that lines are read for at a time: keys come first


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


class InjectScreen(Dialog[Sorted]):
    """One template a line; says while typing which can be scored, were scored, or can't be.

    The result are the lines by what can come of them; none where the dialog was cancelled.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("f3", "file", "File", priority=True, tooltip="Add the templates of a file"),
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
        reader: Reader,
        state: Callable[[], RunState],
        template: str = "",
    ) -> None:
        """
        Args:
            may_save: says, and tells the person, where nothing can be sent from here now.
            reader: of templates, as the run reads them.
            state: of the run, as it is now.
            template: to begin with; typing replaces it.
        """
        super().__init__()
        self._may_save = may_save
        self._reader = reader
        self._state = state
        self._template = template
        self._asked: Numbered = []  # lines of which the usable ones are sent at the next enter
        self._looks_on = False  # lines are read at the next look, too

    def compose(self) -> ComposeResult:
        """The lines, and what is to be said of them."""
        with Vertical() as box:
            box.border_title = "inject templates"
            yield TemplatesArea(self._template, id="template", soft_wrap=True, compact=True)
            yield Label("", id="problem", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Typing replaces what the field begins with."""
        area = self.query_one(TemplatesArea)
        area.select_all()
        area.focus()
        self._say()

    def _lines(self) -> Numbered:
        return texts_in(self.query_one(TemplatesArea).text)

    def _left(self, lines: Numbered) -> int:
        """Read lines for a moment; so many are to be read yet."""
        return self._reader.look_at(lines, LOOK_SECONDS) if len(lines) <= MOST else 0

    @on(TextArea.Changed)
    def _say(self) -> None:
        lines = self._lines()
        if left := self._left(lines):
            said = f"Reading {counted(len(lines), 'line')}: {left:,} to go."
            if not self._looks_on:
                self._looks_on = True
                self.set_timer(LOOK_SECONDS, self._say_on)
        elif 1 < len(lines) <= MOST:
            said = sort_out(lines, self._state(), self._reader.read).describe()
        else:
            said = problem_of(lines, self._reader) or outlook(lines[0][1], self._reader)
        self.query_one("#problem", Label).update(said)

    def _say_on(self) -> None:
        self._looks_on = False
        self._say()

    @on(TemplatesArea.Done)
    def _done(self) -> None:
        lines = self._lines()
        if self._left(lines):
            self.notify("The lines are still being read.", timeout=4)
            return
        problem = problem_of(lines, self._reader)
        if len(lines) > MOST:
            self.notify(problem or "", severity="warning", timeout=6)
            return
        found = sort_out(lines, self._state(), self._reader.read)
        if problem is not None and not (found.usable and lines == self._asked):
            if found.usable:
                self._asked = lines
                more = f"scores the other {len(found.new):,}" if found.new else "shows the others"
                problem = f"{problem} Enter once more {more}."
            self.notify(problem, severity="warning", markup=False, timeout=6)
        elif self._may_save():
            self.dismiss(found)

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
            path = user_path(text.strip())
            if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe may say nothing
                raise UserError(f"{path} can't be read: it is no file, but a device or a pipe")
            texts = read_texts(path)
            if len(texts) > MOST:
                raise UserError(
                    f"{path} has {len(texts):,} templates: at most {MOST:,} can be injected at once"
                )
        except (UserError, OSError) as error:
            self.notify(clean(str(error)), severity="error", markup=False, timeout=10)
            return
        area = self.query_one(TemplatesArea)
        before = [] if area.text == self._template else [line for _, line in self._lines()]
        area.load_text("\n".join([*before, *(clean(one) for one in texts)]))
        self._say()

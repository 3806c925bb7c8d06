"""Asking what is to be exported of a run, and where to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Label

from engine.analysis.export.formats import FORMATS
from engine.storage.run_folder import EXPORTS
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.text import clean
from glov_tui.widgets.fields import Choice, ValueField
from glov_tui.widgets.key_bar import KeyBar

Write = Callable[[str, str | None, bool], None]
"""Takes a format, a path (None: that of the run's own exports), and whether what is there may be
replaced. It returns at once; how it went comes by ``ended``.
"""


class ExportScreen(Dialog[None]):
    """A format and a path; stays open until it is written, and says why where it can't be."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "write",
            "Write",
            priority=True,
            tooltip="Write it; once more replaces what is there",
        ),
        Binding("tab", "app.focus_next", "Next field", show=False),
        Binding("escape", "dismiss(None)", "Cancel"),
    ]
    DEFAULT_CSS = """
    ExportScreen { align: center middle; }
    ExportScreen > Vertical {
        width: 90%; max-width: 110; height: auto; border: round $accent;
        padding: 0 1; background: $surface;
        .key { color: $text-muted; height: 1; width: 1fr; }
        #names, #problem { height: auto; width: 1fr; color: $text-muted; }
        #about { height: auto; width: 1fr; margin-bottom: 1; }
        #problem.-wrong { color: $text-error; }
    }
    """

    def __init__(self, folder: Path, stem: str, write: Write) -> None:
        """``stem``: what files are called by themselves; ``folder`` is the run's."""
        super().__init__()
        self._folder, self._stem, self._write = folder, stem, write
        self._asked: tuple[str, str] | None = None  # what may be replaced by the same once more
        self._is_writing = False

    def compose(self) -> ComposeResult:
        """Format, what that is, path."""
        first = next(iter(FORMATS))
        with Vertical() as box:
            box.border_title = f"export {clean(self._stem)}"
            yield Label("format (left, right)", classes="key")
            yield Choice(tuple(FORMATS), first, id="format")
            yield Label(f"there are {', '.join(FORMATS)}", id="names")
            yield Label("", id="about", markup=False)
            yield Label("path (tab)", classes="key")
            yield ValueField(self._own_path(first), id="path")
            yield Label("", id="problem", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Say what the first format is."""
        self._describe()

    def _own_path(self, name: str) -> str:
        return str(self._folder / EXPORTS / f"{self._stem}{FORMATS[name].ending}")

    @on(Choice.Changed)
    def _describe(self) -> None:
        """Say what comes of the format; the path goes with it while nobody has typed another."""
        name, field = self._format, self.query_one("#path", ValueField)
        self.query_one("#about", Label).update(f"{FORMATS[name].about}.")
        if field.value in {self._own_path(other) for other in FORMATS}:
            field.value = self._own_path(name)
        self._say("", wrong=False)

    @property
    def _format(self) -> str:
        return self.query_one("#format", Choice).value

    def action_write(self) -> None:
        """Have it written; where something is there, the same once more replaces it."""
        if self._is_writing:
            return
        name, text = self._format, self.query_one("#path", ValueField).value.strip()
        if not text:
            self._say("Type a path.", wrong=True)
            return
        self._is_writing = True
        self._say("Writing it ...", wrong=False)
        path = None if text == self._own_path(name) else text
        again = self._asked == (name, text)
        self._asked = (name, text)
        self._write(name, path, again)

    def ended(self, problem: str | None, exists: bool = False) -> None:
        """It is written, or why it is not; ``exists``: since something is there."""
        self._is_writing = False
        if problem is None:
            self.dismiss(None)
            return
        if not exists:
            self._asked = None
        self._say("It is there already; enter replaces it." if exists else problem, wrong=True)

    def _say(self, text: str, *, wrong: bool) -> None:
        label = self.query_one("#problem", Label)
        label.set_class(wrong, "-wrong")
        label.update(clean(text))

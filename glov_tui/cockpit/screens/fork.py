"""Asking where a fork is to be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label

from engine.common.user_path import user_path
from engine.config.run_name import LONGEST_NAME, runs_folder
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar


def fork_folder(text: str) -> Path:
    """The folder that is meant: a path, or a name within the runs folder.

    Raises:
        UserError: if it names a home folder that is not there.
    """
    path = user_path(text)
    return path if os.sep in text or text.startswith("~") else runs_folder() / path


class ForkScreen(Dialog[None]):
    """One line for a name or path; stays open and says why where it can't be written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "write", "Write", priority=True, tooltip="Write the fork"),
        Binding("escape", "dismiss(None)", "Cancel"),
    ]
    DEFAULT_CSS = """
    ForkScreen { align: center middle; }
    ForkScreen > Vertical {
        width: 90%; max-width: 100; height: auto; border: round $accent;
        padding: 0 1; background: $surface;
        #problem { color: $text-muted; height: auto; width: 1fr; }
    }
    """

    def __init__(self, parent: Path, step: int, write: Callable[[int, str], str | None]) -> None:
        """``write`` takes the step and the text, and returns what is wrong, None if it is done."""
        super().__init__()
        self._run, self._step, self._write = parent, step, write

    def compose(self) -> ComposeResult:
        """The input, with a name that is free, and a line on what it is for."""
        with Vertical() as box:
            box.border_title = f"fork at the end of step {self._step}"
            yield Input(self._free_name(), id="folder", compact=True)
            yield Label(
                f"A name in {clean(str(runs_folder()))}/, or a path. This run goes on as it is.",
                id="problem",
                markup=False,
            )
        yield KeyBar()

    def _free_name(self) -> str:
        """A name that can be shown, typed, and written on any disk, whatever the run is called."""
        shown = clean(self._run.resolve().name).replace("\ufffd", "-").lstrip("-~")
        end = f"-at-{self._step}"
        base = shown.encode()[: LONGEST_NAME - len(end)].decode(errors="ignore") + end
        name, number = base, 1
        while os.path.lexists(fork_folder(name)):
            number += 1
            name = f"{base}-{number}"
        return name

    def action_write(self) -> None:
        """Write the fork, or say why it can't be."""
        text = self.query_one(Input).value.strip()
        named = Path(text).name not in ("", "..")
        problem = self._write(self._step, text) if named else "Type a name or a path."
        if problem is None:
            self.dismiss(None)
        else:
            self.query_one("#problem", Label).update(problem)

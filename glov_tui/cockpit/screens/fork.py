"""Asking where a fork is to be written, and how far it is to go."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Label

from engine.common.user_path import user_path
from engine.config.run_name import LONGEST_NAME, runs_folder
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.text import clean
from glov_tui.widgets.fields import ValueField
from glov_tui.widgets.key_bar import KeyBar

Write = Callable[[int, str, list[str]], str | None]
"""Takes the step, the name or path, and ``key=value`` of what changes; returns what is wrong."""


def fork_folder(text: str) -> Path:
    """The folder that is meant: a path, or a name within the runs folder.

    Raises:
        UserError: if it names a home folder that is not there.
    """
    path = user_path(text)
    return path if os.sep in text or text.startswith("~") else runs_folder() / path


class ForkScreen(Dialog[None]):
    """A name or path, and the steps; stays open and says why where it can't be written.

    Where the run has no step left the fork is given as many again: with none it would only end.
    """

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
        Horizontal { height: 1; }
        Horizontal Label { width: auto; }
        #steps { width: 1fr; }
    }
    """

    def __init__(self, parent: Path, step: int, steps: int, write: Write) -> None:
        """``steps``: that the run is to have; the fork begins at the end of ``step`` of them."""
        super().__init__()
        self._run, self._step, self._write = parent, step, write
        self._steps = steps  # of the run

    def compose(self) -> ComposeResult:
        """The input, with a name that is free, and a line on what it is for."""
        with Vertical() as box:
            box.border_title = f"fork at the end of step {self._step}"
            yield ValueField(self._free_name(), id="folder")
            done, has_more = self._step, self._steps > self._step
            with Horizontal():
                yield Label("steps: ", markup=False)
                again = self._steps if has_more else done + max(1, self._steps)
                yield ValueField(str(again), id="steps")
            which = "" if has_more else f"The run has no step left after step {done}. "
            yield Label(
                f"{which}A name in {clean(str(runs_folder()))}/, or a path; steps in "
                "all. This run stays as it is.",
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
        text = self.query_one("#folder", ValueField).value.strip()
        steps = self.query_one("#steps", ValueField).value.strip()
        problem: str | None
        if Path(text).name in ("", ".."):
            problem = "Type a name or a path."
        elif not steps.isdecimal() or int(steps) <= self._step:
            problem = f"Steps: a number over {self._step}, which are done."
        else:
            changes = [f"steps={int(steps)}"] if int(steps) != self._steps else []
            problem = self._write(self._step, text, changes)
        if problem is None:
            self.dismiss(None)
        else:
            self.query_one("#problem", Label).update(problem)

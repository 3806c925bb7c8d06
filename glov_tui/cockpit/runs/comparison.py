"""The comparison of several runs as a screen: what ``glov compare`` says of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from engine.common.errors import UserError
from engine.common.wording import counted
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.glyphs import ASCII, Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from engine.analysis.compare import Report

POLL_SECONDS = 0.1
LEAST_WIDTH = 40  # cells, below which tables make no sense


class ComparisonScreen(Dialog[None]):
    """Groups over seeds with intervals, and paired tests; read from journals on a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "dismiss(None)", "Back", key_display="esc", tooltip="To the runs"),
    ]
    DEFAULT_CSS = """
    ComparisonScreen {
        background: $background;
        #comparison-title { height: 1; background: $panel; text-wrap: nowrap; padding: 0 1; }
        TextView { height: 1fr; padding: 0 1; }
    }
    """

    def __init__(self, folders: Sequence[Path], glyphs: Glyphs) -> None:
        """``folders``: of runs and of sweeps, whose runs are meant."""
        super().__init__()
        self._folders, self._glyphs = list(folders), glyphs
        self._report: Report | None = None
        self._problem = ""
        self._thread = threading.Thread(target=self._read, name="glov-comparing", daemon=True)

    def compose(self) -> ComposeResult:
        """A title over one scrolling text."""
        yield Static("Comparison: reading the journals ...", id="comparison-title", markup=False)
        yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Read, and show it once that is done."""
        self.query_one(TextView).focus()
        self._thread.start()
        self._timer = self.set_interval(POLL_SECONDS, self._poll)

    def _read(self) -> None:
        from engine.analysis.compare import compare, read_records
        from engine.sweeps.sweep import run_folders

        try:
            folders = [run for folder in self._folders for run in run_folders(str(folder))]
            records, left_out = read_records(folders)
            if not records:
                reasons = "\n".join(f"{folder.name}: {reason}" for folder, reason in left_out)
                self._problem = f"None of the runs can be compared.\n{reasons}"
            else:
                self._report = compare(records, (), left_out)
        except UserError as error:
            self._problem = str(error)
        except Exception as error:  # a journal may hold anything
            self._problem = f"{type(error).__name__}: {error}"

    def _poll(self) -> None:
        if not self._thread.is_alive():
            self._timer.stop()
            self._fill()

    def on_resize(self) -> None:
        """Tables of another width."""
        self._fill()

    def _fill(self) -> None:
        view = self.query_one(TextView)
        if self._problem:
            text = clean(self._problem, keep_newlines=True)
            view.set_lines([((line, "bad"),) for line in text.split("\n")])
            self.query_one("#comparison-title", Static).update("Comparison", layout=False)
        if self._report is None:
            return
        runs = sum(len(group.runs) for block in self._report.blocks for group in block.groups)
        said = f"Comparison of {counted(runs, 'run')}"
        self.query_one("#comparison-title", Static).update(said, layout=False)
        width = max(LEAST_WIDTH, view.scrollable_content_region.width)
        view.set_lines(comparison_lines(self._report, width, self._glyphs is ASCII))


def comparison_lines(report: Report, width: int, plain: bool) -> list[Line]:
    """What ``glov compare`` prints, as lines for a view; what was left out comes first."""
    from glov_tui.terminal.comparing import comparison_parts

    lines: list[Line] = [
        ((clean(f"left out: {folder.name}: {reason}"), "note"),)
        for folder, reason in report.left_out
    ]
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    for part in comparison_parts(report, plain):
        for row in console.render_lines(part, pad=False):
            text = "".join(segment.text for segment in row).rstrip()
            bold = any(segment.style is not None and segment.style.bold for segment in row)
            lines.append(((text, "strong" if bold else ""),))
    return lines

"""The log: what happened, newest last."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Hashable
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.run.state import RunState
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.widgets.item_view import ItemView
from glov_tui.widgets.spans import Line

NOTHING_YET = "What happens in the run is said here, the newest last."
_STYLES = {"info": "", "warning": "note", "error": "bad"}


class LogPane(ItemView):
    """Facts of the run with their local time; follows the end unless scrolled up.

    A fact is one row, cut where it is longer; warnings and errors are always shown whole. The
    cursor is on the newest one until it is moved.
    """

    TITLE: ClassVar[str] = "log"
    INTERVAL: ClassVar[float] = 0.2
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "fold", "Fold", tooltip="A row each, or whole", show=False)
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs.changed, follow=True, id="log")
        self._times: list[float] = []
        self._signs = {"info": "", "warning": "! ", "error": f"{glyphs.rejected} "}
        self.heading = self.TITLE
        self._fold(True)

    def _fold(self, folds: bool) -> None:
        self._folds = folds
        self._show_key()

    def _show_key(self) -> None:
        told = "enter whole" if self._folds else "enter a row each"
        self.border_subtitle = told if self._times else ""

    def action_fold(self) -> None:
        """Show facts whole, or a row each again."""
        self._fold(not self._folds)
        self.wrap_anew()

    def rows(self, line: Line, width: int) -> list[Line]:
        """What is folded is cut to a row, unless something is found in it."""
        clock, *rest = line
        if not self._folds or any(style for _, style in rest):
            return super().rows(line, width)
        text = cut("".join(text for text, _ in rest), width - 1 - len(clock[0]))
        return [((" ", ""), clock, (text, ""))]

    def step_here(self, state: RunState) -> int:
        """The step in which the line under the cursor was said."""
        at = self.cursor
        if at is None:
            return state.steps_done
        ends = [step.time for step in state.steps]
        index = bisect_left(ends, self._times[at])
        return state.steps[index].step if index < len(ends) else state.step

    def fingerprint(self, state: RunState) -> Hashable:
        """The log only grows, so its last line and length tell."""
        return len(state.log), state.log[-1] if state.log else None

    def show(self, state: RunState) -> None:
        """Draw all lines."""
        if not state.log:
            self._times = []
            self.set_items([(("", ""), (NOTHING_YET, "dim"))], ())
            return
        lines: list[Line] = []
        for entry in state.log:
            clock = time.strftime("%H:%M:%S ", time.localtime(entry.time))
            text = f"{self._signs[entry.level]}{clean(entry.text)}"
            lines.append(((clock, "dim"), (text, _STYLES[entry.level])))
        newest = self.cursor is None or self.cursor == len(self._times) - 1
        self._times = [entry.time for entry in state.log]
        self._show_key()
        self.set_items(lines, range(len(lines)))
        if newest:
            self._cursor = max(0, len(lines) - 1)

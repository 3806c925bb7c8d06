"""The log: what happened, newest last."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.run.state import RunState
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

_STYLES = {"info": "", "warning": "note", "error": "bad"}


class LogPane(TextView):
    """Facts of the run with their local time; follows the end unless scrolled up.

    A fact is one row, cut where it is longer; warnings and errors are always shown whole.
    """

    TITLE: ClassVar[str] = "log"
    INTERVAL: ClassVar[float] = 0.2
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "fold", "Fold", tooltip="A row each, or whole", show=False)
    ]

    def __init__(self, _glyphs: Glyphs) -> None:
        super().__init__(follow=True, id="log")
        self._fold(True)

    def _fold(self, folds: bool) -> None:
        self._folds = folds
        self.heading = f"{self.TITLE} (enter: {'whole' if folds else 'a row each'})"

    def action_fold(self) -> None:
        """Show facts whole, or a row each again."""
        self._fold(not self._folds)
        self.wrap_anew()

    def rows(self, line: Line, width: int) -> list[Line]:
        """What is folded is cut to a row, unless something is found in it."""
        clock, *rest = line
        if not self._folds or any(style for _, style in rest):
            return super().rows(line, width)
        text = "".join(text for text, _ in rest)
        return [(clock, (cut(text, width - len(clock[0])), ""))]

    def fingerprint(self, state: RunState) -> Hashable:
        """The log only grows, so its last line and length tell."""
        return len(state.log), state.log[-1] if state.log else None

    def show(self, state: RunState) -> None:
        """Draw all lines."""
        lines: list[Line] = []
        for entry in state.log:
            clock = time.strftime("%H:%M:%S ", time.localtime(entry.time))
            lines.append(((clock, "dim"), (clean(entry.text), _STYLES[entry.level])))
        self.set_lines(lines)

"""The log: what happened, newest last."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import ClassVar

from engine.run.state import RunState
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

_STYLES = {"info": "", "warning": "note", "error": "bad"}


class LogPane(TextView):
    """Facts of the run with their local time; follows the end unless scrolled up."""

    TITLE: ClassVar[str] = "log"
    INTERVAL: ClassVar[float] = 0.2

    def __init__(self) -> None:
        super().__init__(follow=True, id="log")
        self.border_title = self.TITLE

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

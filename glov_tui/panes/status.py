"""The status line: where the run is, how fast it goes, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import ClassVar

from textual.widgets import Static

from engine.state import RunState
from glov_tui.device_memory import memory_used
from glov_tui.glyphs import Glyphs
from glov_tui.progress import format_seconds, seconds_left
from glov_tui.text import clean

STATUS_MARKS = {
    "new": " ",
    "loading": "~",
    "running": ">",
    "paused": "=",
    "stopped": "x",
    "failed": "!",
    "finished": "*",
}


class StatusLine(Static):
    """One line of fields, the most important first; what doesn't fit is left out."""

    TITLE: ClassVar[str] = "status"
    INTERVAL: ClassVar[float] = 0.25
    DEFAULT_CSS = """
    StatusLine { height: 1; width: 1fr; background: $panel; text-wrap: nowrap; }
    .-past StatusLine { background: $warning 40%; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("", markup=False, id="status")
        self._separator = f" {glyphs.separator} "
        self.past: tuple[str, ...] = ()
        """Fields in place of what is true only now, while another moment of a run is shown."""
        self.attached = ""  # who else is there, where the run can be watched from elsewhere
        self.engine_pid: int | None = None  # of the process whose memory is shown; this one's

    def fingerprint(self, state: RunState) -> Hashable:
        """The line itself: it is cheap to make."""
        return self.line(state)

    def show(self, state: RunState) -> None:
        """Draw the line, without a new layout."""
        self.update(self.line(state), layout=False)

    def line(self, state: RunState) -> str:
        """The text for this state at the present width."""
        steps = state.config.steps if state.config else 0
        mark, step = STATUS_MARKS[state.status], f"step {state.step}/{steps}"
        if self.past:
            fields = [f"{mark} {self.past[0]}", step, *self.past[1:], clean(state.run)]
        else:
            fields = [f"{mark} {clean(state.run)} {state.status}", step]
        if self.attached:
            fields.insert(1, self.attached)
        if (
            not self.past
            and state.status in ("running", "paused", "loading")
            and state.progress is not None
        ):
            fields.append(_phase(state))
        ranking = state.allowed
        seed = state.seed
        if ranking and seed:
            gain = 100 * (ranking[0].accuracy - seed.accuracy)
            fields.append(f"best {ranking[0].accuracy:.1%} ({gain:+.1f})")
        if not self.past and state.status == "running":
            fields.append(f"ETA {format_seconds(seconds_left(state))}")
        if state.steps:
            recent = state.steps[-10:]
            seconds = sum(s.seconds for s in recent)
            fields.append(f"{seconds / len(recent):.1f} s/step")
            if seconds > 0:
                fields.append(f"{sum(s.tokens for s in recent) / seconds:.0f} tok/s")
        if not self.past:
            fields.append(memory_used(time.monotonic(), self.engine_pid))
        text = ""
        for field in fields:
            longer = f"{text}{self._separator}{field}" if text else f" {field}"
            if len(longer) > max(20, self.size.width):
                break
            text = longer
        return text


def _phase(state: RunState) -> str:
    progress = state.progress
    assert progress is not None
    name = f"loading {clean(progress.detail)}" if progress.phase == "loading" else progress.phase
    if progress.total:
        return f"{name} {progress.done}/{progress.total}"
    return name

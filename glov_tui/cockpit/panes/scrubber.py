"""The line of steps under the panes while a run's past is shown: where it is, and a click goes."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import ClassVar

from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from engine.run.state import RunState
from engine.session.replay import ReplaySession
from glov_tui.common.glyphs import Glyphs

_INDENT = 1


class Scrubber(Static):
    """One cell or several per step of the run; what is written beside it is step and speed."""

    TITLE: ClassVar[str] = "steps"
    INTERVAL: ClassVar[float] = 0.0
    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Scrubber { height: 1; width: 1fr; background: $surface; text-wrap: nowrap; }
    """

    class StepChosen(Message):
        """A step was clicked, 0 for the seed template."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("", markup=False, id="scrubber")
        self.past: ReplaySession | None = None
        self.live_steps = 0  # done by now in a run that goes on meanwhile
        self._glyphs = glyphs

    def fingerprint(self, state: RunState) -> Hashable:
        """The line itself: it is cheap to make."""
        return self.line()

    def show(self, state: RunState) -> None:
        """Draw the line, without a new layout."""
        self.update(self.line(), layout=False)

    def on_resize(self) -> None:
        """Another number of cells fits."""
        self.update(self.line(), layout=False)

    def line(self) -> str:
        """The text at the present width."""
        past = self.past
        if past is None:
            return ""
        bar = self._bar_width(past)
        at = round(past.step / max(self._steps(past), 1) * (bar - 1))
        track = self._glyphs.done * at + self._glyphs.here + self._glyphs.ahead * (bar - at - 1)
        return f"{' ' * _INDENT}{track}{self._label(past, past.step)}"

    def _bar_width(self, past: ReplaySession) -> int:
        longest = max(len(self._label(past, self._steps(past))), len(self._label(past, 0)))
        return max(2, self.size.width - longest - _INDENT)

    def _label(self, past: ReplaySession, step: int) -> str:
        speed = "max" if math.isinf(past.speed) else f"{past.speed:g}x"
        playing = "plays" if past.playing else "holds"
        steps = self._steps(past)
        return f"  step {step:{len(str(steps))}} of {steps}  {speed:>4}  {playing} "

    def _steps(self, past: ReplaySession) -> int:
        return max(past.steps, self.live_steps)

    def on_click(self, event: Click) -> None:
        """Tell the step that the cell stands for."""
        if self.past is None:
            return
        bar = self._bar_width(self.past)
        share = min(max((event.x - _INDENT) / (bar - 1), 0.0), 1.0)
        self.post_message(self.StepChosen(round(share * self._steps(self.past))))

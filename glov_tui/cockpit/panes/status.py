"""The status line: where the run is, how fast it goes, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.widgets import Static

from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.search.registry import DEFAULT_SEARCH
from glov_tui.cockpit.panes.ending import Kind
from glov_tui.common.device_memory import memory_used
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.progress import format_seconds, seconds_left
from glov_tui.common.text import clean

STATUS_STYLES = {
    "new": "",
    "loading": "$text-accent",
    "running": "$text-success",
    "paused": "$text-warning",
    "stopped": "$text-warning",
    "failed": "$text-error",
    "finished": "$text-success",
}
_ENDINGS: Mapping[Kind | None, tuple[str, str]] = {
    "interrupted": ("interrupted", "stopped"),
    "lost": ("out of reach", "loading"),
    "silent": ("silent", "loading"),
}
"""The word for it, and the state that it has the sign and the colour of; else as the run says."""

BAR_CELLS = 8
SHORTEST_NAME = 8
PHASE_CELLS = 16
STATE_AND_STEP_CELLS = 40  # with the run's shortest name between them


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field of the line: what has a low ``priority`` number is given up last."""

    priority: int
    text: str
    style: str = ""


class StatusLine(Static):
    """One line of slots in a fixed order; what is least important is left out where it is narrow.

    The run's name is shortened first.
    """

    TITLE: ClassVar[str] = "status"
    INTERVAL: ClassVar[float] = 0.25
    DEFAULT_CSS = """
    StatusLine { height: 1; width: 1fr; background: $panel; text-wrap: nowrap; }
    .-past StatusLine { background: $warning 40%; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("", markup=False, id="status")
        self._glyphs = glyphs
        self._state: RunState | None = None  # that is shown
        self.past: tuple[str, ...] = ()
        """Fields in place of what is true only now, while another moment of a run is shown."""
        self.ending: Kind | None = None  # how the run came to rest, where it is not finished
        self.attached = ""  # who else is there; where it is narrow, up to the comma
        self.told: bool | None = None  # whether one is told when away; None: nothing can tell one
        self.engine_pid: int | None = None  # of the process whose memory is shown; this one's

    def fingerprint(self, state: RunState) -> Hashable:
        """The line itself: it is cheap to make."""
        return self.line(state)

    def show(self, state: RunState) -> None:
        """Draw the line, without a new layout."""
        self._state = state
        self.update(self._content(state), layout=False)

    def on_resize(self) -> None:
        """Other slots fit, also where nothing happens in the run any more."""
        if self._state is not None:
            self.show(self._state)

    def line(self, state: RunState) -> str:
        """The text for this state at the present width."""
        return self._content(state).plain

    def _content(self, state: RunState) -> Content:
        width = max(20, self.size.width - 1)
        separator = f" {self._glyphs.separator} "
        slots = self._slots(state)
        name = clean(state.run)
        while slots:
            used = sum(cell_len(slot.text) for slot in slots) + len(separator) * len(slots)
            if used + min(len(name), SHORTEST_NAME) <= width or len(slots) == 1:
                break
            slots.remove(max(slots, key=lambda slot: slot.priority))
        room = width - sum(cell_len(s.text) for s in slots) - len(separator) * len(slots)
        parts: list[Content] = []
        for at, slot in enumerate(slots):
            parts.append(Content.styled(slot.text, slot.style))
            if at == 0 and room > 3 and name:
                parts.append(Content(_shortened(name, room)))
        return Content.assemble(" ", Content(separator).join(parts))

    def _slots(self, state: RunState) -> list[_Slot]:
        """In the order in which they are shown; the state with its sign always comes first."""
        # Words and signs of the lists of runs: one that was cut off has failed, by its state.
        named, signed = _ENDINGS.get(self.ending, (state.status, state.status))
        sign = self._glyphs.states[signed]
        if self.past:
            slots = [_Slot(0, f"{sign} {self.past[0]}", "bold")]
            slots += [_Slot(1, text) for text in self.past[1:]]
        else:
            told = {None: "", True: f" {self._glyphs.told}", False: f" {self._glyphs.told} off"}
            text = f"{sign} {named}{told[self.told]}"
            slots = [_Slot(0, text, f"bold {STATUS_STYLES[signed]}")]
        if self.attached:
            is_long = cell_len(self.attached) + STATE_AND_STEP_CELLS > self.size.width
            attached = self.attached.partition(",")[0] if is_long else self.attached
            slots.append(_Slot(1, attached, "bold"))
        steps = state.config.steps if state.config else 0
        if state.config is not None and state.config.search.kind != DEFAULT_SEARCH:
            slots.append(_Slot(4, f"search {state.config.search.kind}"))
        slots.append(_Slot(2, f"step {state.step}/{steps}"))
        best, seed = state.best, state.seed
        if best is not None and seed is not None:
            gain = 100 * (best.accuracy - seed.accuracy)
            slots.append(_Slot(3, f"best {best.accuracy:.1%} ({gain:+.1f})"))
        if not self.past and state.status == "running":
            slots.append(_Slot(4, f"ETA {format_seconds(seconds_left(state)):>4}"))
        if (
            not self.past
            and state.status in ("running", "paused", "loading")
            and state.progress is not None
        ):
            slots.append(_Slot(5, f"{_phase(state):<{PHASE_CELLS}}"))
        if steps and not self.past:
            done = round(BAR_CELLS * min(1.0, state.steps_done / steps))
            bar = self._glyphs.done * done + self._glyphs.ahead * (BAR_CELLS - done)
            slots.insert(slots.index(next(s for s in slots if s.priority == 2)), _Slot(6, bar))
        if state.steps:
            recent = state.steps[-10:]
            seconds = sum(s.seconds for s in recent)
            slots.append(_Slot(7, f"{seconds / len(recent):.1f} s/step"))
            if seconds > 0:
                slots.append(_Slot(8, f"{sum(s.tokens for s in recent) / seconds:.0f} tok/s"))
        if state.spent is not None:
            slots.append(_Slot(7, state.spent.in_short()))
        images, of_all = state.images_scored
        if images < of_all:
            slots.append(_Slot(7, f"{images:,} of {of_all:,} images"))
        if not self.past and self.ending is None and state.status not in ENDED:
            memory = memory_used(time.monotonic(), self.engine_pid)
            slots += [_Slot(9, memory)] if memory else []
        return slots


def _shortened(name: str, cells: int) -> str:
    """The name in at most so many cells: its end tells runs apart, so its middle goes first."""
    if cell_len(name) <= cells:
        return name
    head = (cells - 1) // 2
    return f"{set_cell_size(name, head)}…{set_cell_size(name[::-1], cells - 1 - head)[::-1]}"


def _phase(state: RunState) -> str:
    progress = state.progress
    assert progress is not None
    if progress.phase == "proposing" and progress.detail:  # why nothing comes
        return clean(progress.detail)
    name = f"loading {clean(progress.detail)}" if progress.phase == "loading" else progress.phase
    if progress.total:
        return f"{name} {progress.done}/{progress.total}"
    return name

"""Steering over time: layers by steps, shaded by norm or ratio, over what it did and who edited."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, overload

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from engine.common.wording import counted
from engine.run.events import Edited
from engine.run.state import RunState
from glov_tui.cockpit.choices import steered_layers
from glov_tui.cockpit.lab.heat import LEVELS, Scale, ramp
from glov_tui.cockpit.steering_steps import (
    Column,
    Columns,
    Measure,
    SteeringStep,
    edits_by_step,
    fitting_width,
    other_width,
    steering_steps,
)
from glov_tui.cockpit.steering_words import about_cell, why_empty
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import cut
from glov_tui.widgets.heat_map import HeatMap, Track
from glov_tui.widgets.heat_table import HeatCell
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

WIDEST_CELL = 4
NAMES: dict[Measure, str] = {"norm": "norm of H+ - H-", "ratio": "its ratio to the hidden states"}


class _Row(Sequence[HeatCell]):
    """One layer: cells are made as they come into view."""

    def __init__(self, layer: int, columns: Columns) -> None:
        self._layer, self._columns = layer, columns

    def __len__(self) -> int:
        return len(self._columns.all)

    @overload
    def __getitem__(self, at: int) -> HeatCell: ...
    @overload
    def __getitem__(self, at: slice) -> list[HeatCell]: ...
    def __getitem__(self, at: int | slice) -> HeatCell | list[HeatCell]:
        if isinstance(at, slice):
            return [self._cell(column) for column in self._columns.all[at]]
        return self._cell(self._columns.all[at])

    def _cell(self, column: Column) -> HeatCell:
        if self._layer >= len(column.values):
            return HeatCell("")
        level = self._columns.scale.level(column.values[self._layer])
        return HeatCell("", level, self._layer in column.layers)


class SteeringMap(Vertical):
    """A pane of the screen of steering over time."""

    TITLE: ClassVar[str] = "steering over time"
    INTERVAL: ClassVar[float] = 0.5
    DEFAULT_CSS = """
    SteeringMap {
        height: 1fr; padding: 0 1;
        #map-about { height: 1; color: $text-muted; text-wrap: nowrap; }
        #map-key { height: 1; text-wrap: nowrap; }
        #map-empty { height: 1fr; }
        #map-cell { height: 4; scrollbar-size: 0 0; }
    }
    """

    @dataclass
    class StepChosen(Message):
        """Enter on a cell: its step, of a bin the last one that was steered."""

        step: int

    def __init__(self, glyphs: Glyphs, ascii_only: bool, colours: bool) -> None:
        super().__init__(id="steering-map")
        self._glyphs, self._ascii, self._with_colours = glyphs, ascii_only, colours
        self._state = RunState()
        self._measure: Measure = "norm"
        self._bin: int | None = None  # None: so that all fit
        self._columns = Columns()
        self._step: int | None = None  # that a person went to; None: the last one, as it grows
        self._put: tuple[int, int] | None = None  # where the cursor was put by drawing

    def compose(self) -> ComposeResult:
        """What is shown, the map, what its shades mean, and the cell under the cursor."""
        yield Static("", id="map-about", markup=False)
        yield Static("", id="map-empty", markup=False)
        yield HeatMap(ramp(self._ascii), self._glyphs.layer, self._ascii, self._with_colours)
        yield _Key(self._with_colours, id="map-key")
        yield TextView(id="map-cell")

    @property
    def map(self) -> HeatMap:
        """The map itself."""
        return self.query_one(HeatMap)

    @property
    def selected(self) -> tuple[int, Sequence[SteeringStep]] | None:
        """The layer and the steps under the cursor."""
        if not self._columns.all:
            return None
        layer, column = self.map.cursor
        return layer, self._columns.at(column)

    def fingerprint(self, state: RunState) -> Hashable:
        """Attempts come a few in a step; edits and layers change now and then."""
        asked = state.asked
        return (
            len(asked),
            asked[-1] if asked else None,
            len(state.edits),
            state.edits[-1] if state.edits else None,
            steered_layers(state),
            why_empty(state),
        )

    def show(self, state: RunState) -> None:
        """Draw what changed."""
        self._state = state
        self._draw()

    def on_resize(self) -> None:
        """Other bins fit."""
        self.call_after_refresh(self._draw)

    def next_measure(self) -> None:
        """Shade by the other measure."""
        self._measure = "ratio" if self._measure == "norm" else "norm"
        self._draw()

    def change_bin(self, by: int) -> None:
        """More or fewer steps to a column; where all fit the map no longer scrolls."""
        self._bin = other_width(self._columns.width, by)
        self._draw()

    def fit(self) -> None:
        """As many steps to a column as it takes to show all."""
        self._bin = None
        self._draw()

    # -- drawing -----------------------------------------------------------------------------

    def _draw(self) -> None:
        state = self._state
        steps = steering_steps(state)
        layers = max((len(step.values("norm")) for step in steps), default=0)
        empty = why_empty(state) if not layers else ""
        for name, shown in (("#map-empty", bool(empty)), ("HeatMap", not empty)):
            widget = self.query_one(name)
            if widget.display != shown:
                widget.display = shown
        self.query_one("#map-empty", Static).update(empty, layout=False)
        if empty:
            self.query_one("#map-about", Static).update("", layout=False)
            self.query_one(_Key).set_lines(())
            self.query_one("#map-cell", TextView).set_lines(())
            return
        heat = self.map
        now = steered_layers(state)
        rows = [f"{self._glyphs.layer}{n}" if n in now else f"{n}" for n in range(layers)]
        _, room = heat.room_for((*rows, "layer", "changed"), 4)
        step = steps[-1].step if self._step is None else self._step
        width = self._bin or fitting_width(len(steps), room)
        self._columns.update(steps, self._measure, width)
        count = len(self._columns.all)
        cell = max(1, min(WIDEST_CELL, room // count))
        names = [str(column.first) for column in self._columns.all]
        row = min(now, default=0) if self._put is None else heat.cursor[0]
        cursor = (min(row, layers - 1), self._columns.of_step(step))
        cells = [_Row(layer, self._columns) for layer in range(layers)]
        self._put, tracks = cursor, self._tracks()
        heat.styles.max_height = layers + 1 + len(tracks)  # what is said of a cell is near it
        heat.set_map("layer", names, rows, cells, tracks, cursor, cell)
        self._draw_about(len(steps), width, room)
        self._draw_key()
        self._draw_cell()

    def _tracks(self) -> list[Track]:
        shades, columns = ramp(self._ascii), self._columns
        edits = edits_by_step(self._state.edits)
        most_kl = Scale(0.0, max((c.kl for c in columns.all if c.kl is not None), default=0.0))
        changed = Scale(
            0.0, max((c.changed for c in columns.all if c.changed is not None), default=0.0)
        )
        return [
            ("KL", _signs([c.kl for c in columns.all], most_kl.level, shades)),
            ("changed", _signs([c.changed for c in columns.all], changed.level, shades)),
            ("alpha", _signs([c.alpha for c in columns.all], _alpha_level(columns), shades)),
            ("edits", [_edits(c, edits) for c in columns.all]),
        ]

    def _draw_about(self, steps: int, width: int, room: int) -> None:
        each = f"{counted(width, 'step')} a column" + (" (means)" if width > 1 else "")
        more = " of all, scrolled" if len(self._columns.all) > room else ""
        text = f"{NAMES[self._measure]}; {counted(steps, 'step')}{more}, {each}"
        steered = f"; {self._glyphs.layer} steered"
        self.query_one("#map-about", Static).update(cut(text + steered, self._room), layout=False)

    @property
    def _room(self) -> int:
        return max(20, self.size.width - 2)

    def _draw_key(self) -> None:
        shades = ramp(self._ascii)
        spans: list[tuple[str, str]] = [(f"{self._measure} from ", "dim")]
        ratio = self._measure == "ratio"
        begins = self._columns.scale.begins()
        for level, begin in enumerate(begins):
            number = f"{begin:.0%}" if ratio and begins[-1] > 0.1 else f"{begin:.3g}"
            spans += [(f" {shades[level]} ", f"heat-{level}"), (f"{number} ", "")]
            if sum(len(text) for text, _ in spans) > self._room:
                del spans[-2:]
                break
        self.query_one(_Key).set_lines((tuple(spans),))

    def _draw_cell(self) -> None:
        chosen = self.selected
        lines: list[Line] = []
        if chosen is not None:
            layer, steps = chosen
            column = self._columns.all[self.map.cursor[1]]
            lines = [
                ((text, ""),)
                for text in about_cell(self._state, layer, column, steps, self._glyphs)
            ]
        self.query_one("#map-cell", TextView).set_lines(lines)

    @on(HeatMap.CursorMoved)
    def _cursor_moved(self, event: HeatMap.CursorMoved) -> None:
        event.stop()
        if (event.row, event.column) != self._put:
            self._put = (-1, -1)  # from now on it is a person's
            is_last = event.column == len(self._columns.all) - 1
            self._step = None if is_last else self._columns.all[event.column].last
        self._draw_cell()

    @on(HeatMap.Chosen)
    def _cell_chosen(self, event: HeatMap.Chosen) -> None:
        event.stop()
        steps = self._columns.at(event.column)
        steered = [step for step in steps if step.steered is not None]
        if steps:
            self.post_message(self.StepChosen((steered or list(steps))[-1].step))


class _Key(TextView, can_focus=False):
    """What the shades mean, with their backgrounds."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"spans--heat-{level}" for level in range(LEVELS)}
    DEFAULT_CSS = """
    _Key {
        .spans--heat-0 { background: $warning 0%; color: auto 100%; }
        .spans--heat-1 { background: $warning 9%; color: auto 100%; }
        .spans--heat-2 { background: $warning 18%; color: auto 100%; }
        .spans--heat-3 { background: $warning 28%; color: auto 100%; }
        .spans--heat-4 { background: $warning 39%; color: auto 100%; }
        .spans--heat-5 { background: $warning 70%; color: auto 100%; }
        .spans--heat-6 { background: $warning 92%; color: auto 100%; }
    }
    """

    def __init__(self, colours: bool, id: str) -> None:
        super().__init__(id=id)
        self._colours = colours


def _signs(values: Sequence[float | None], level: Callable[[float], int], shades: str) -> list[str]:
    return ["" if value is None else shades[level(value)] for value in values]


def _alpha_level(columns: Columns) -> Callable[[float], int]:
    """Alphas by their size; where there is but one, in the middle."""
    if columns.alphas.low >= columns.alphas.high:
        return lambda _: LEVELS // 2
    return columns.alphas.level


def _edits(column: Column, edits: dict[int, list[Edited]]) -> str:
    count = sum(len(edits.get(step, ())) for step in range(column.first, column.last + 1))
    return "" if not count else "e" if count == 1 else "+"

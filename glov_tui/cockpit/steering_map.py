"""Steering over time: layers by steps, shaded by norm or ratio, over what it did and who edited."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, overload

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from engine.common.wording import counted
from engine.run.events import Edited
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from glov_tui.cockpit.bound_keys import keys_for
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
from glov_tui.widgets.heat_table import HeatCell, shades_css
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

WIDEST_CELL = 4
CELL_LINES = 4
"""What is said of a cell has so many, and what the map leaves."""
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
        yield _Key(id="map-key")
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
            self._why_empty(state),
            state.status in ENDED,  # what was not measured never will be
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
        empty = self._why_empty(state) if not layers else ""
        self._show_map(not empty)
        self.query_one("#map-empty", Static).update(empty, layout=False)
        if empty:
            self.query_one("#map-about", Static).update("", layout=False)
            self.query_one(_Key).set_lines(())
            self.query_one("#map-cell", TextView).set_lines(())
            return
        heat = self.map
        now = steered_layers(state)
        rows = [f"{self._glyphs.layer}{n}" if n in now else f"{n}" for n in range(layers)]
        room = heat.room_for((*rows, "layer", "changed"), self.size.width)
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
        tall = layers + 1 + len(tracks)
        heat.styles.max_height = tall  # what is said of a cell is near it, and has the rest
        said = self.query_one("#map-cell")
        left = max(CELL_LINES, self.size.height - 2 - tall)
        if said.styles.height is None or said.styles.height.value != left:
            said.styles.height = left
        heat.set_map("layer", names, rows, cells, tracks, cursor, cell)
        self._draw_about(len(steps), width, room)
        self._draw_key()
        self._draw_cell()

    def _why_empty(self, state: RunState) -> str:
        return why_empty(state, keys_for(self.app))

    def _show_map(self, shown: bool) -> None:
        """The map, or why there is none; keys that need it come and go with it."""
        if self.map.display == shown and self.query_one("#map-empty").display != shown:
            return
        self.query_one("#map-empty").display = not shown
        self.map.display = shown
        if shown:
            self.map.focus()
        self.call_after_refresh(self.screen.refresh_bindings)

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
        scrolled = len(self._columns.all) > room
        each = f"{counted(width, 'step')} a column{' (means)' if width > 1 else ''}"
        mark = f"{self._glyphs.layer} steered"
        counts = counted(steps, "step")
        more = " of all, scrolled" if scrolled else ""
        told = f"{NAMES[self._measure]}; {counts}{more}, {each}; {mark}"
        if cell_len(told) > self.size.width:  # the same in fewer words
            more = ", scrolled" if scrolled else ""
            told = f"{self._measure}; {counts}{more}, {each}; {mark}"
        about = cut(told, self.size.width)
        self.query_one("#map-about", Static).update(about, layout=False)

    def _draw_key(self) -> None:
        begins = self._columns.scale.begins()
        as_share = self._measure == "ratio" and begins[-1] > 0.1
        numbers = [f"{begin:.0%}" if as_share else f"{begin:.3g}" for begin in begins]
        line = shade_key(self._measure, ramp(self._ascii), numbers, self.size.width)
        self.query_one(_Key).set_lines((line,))

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
    DEFAULT_CSS = f"""
    _Key {{
        {shades_css(".spans--heat-")}
    }}
    """


def shade_key(name: str, shades: str, numbers: Sequence[str], width: int) -> Line:
    """Where each shade begins, in one line: with blanks where there is room, else the shades alone
    and, where even these are too wide, every second number.
    """

    def line(head: str, wide: bool, every: int = 1) -> Line:
        spans: list[tuple[str, str]] = [(head, "dim")]
        for level, (shade, number) in enumerate(zip(shades, numbers, strict=True)):
            told = f"{number} " if level % every == 0 else ""
            spans += [(f" {shade} " if wide else shade, f"heat-{level}"), (told, "")]
        return tuple(spans)

    lines = (line(f"{name} from ", True), line(f"{name} ", False), line("", False, 2))
    fitting = (one for one in lines if len("".join(t for t, _ in one).rstrip()) <= width)
    return next(fitting, lines[-1])


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

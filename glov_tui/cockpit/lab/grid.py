"""The lab's grid: layers by alphas, shaded by one measure, with a cursor over the cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from engine.common.wording import counted
from engine.run.experiment import CellMeasured, ScanSettings
from engine.run.experiment_state import ExperimentState
from engine.run.state import RunState
from glov_tui.cockpit.lab import settings
from glov_tui.cockpit.lab.heat import kl_legend, kl_level, level_between, ramp
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean
from glov_tui.terminal.terminal_kind import shows_shades
from glov_tui.widgets.heat_table import HeatCell, HeatTable

Measure = Callable[[CellMeasured], float | None]
MEASURES: dict[str, Measure] = {
    "KL": lambda cell: cell.kl,
    "fluency": lambda cell: cell.fluency,
    "accuracy": lambda cell: cell.accuracy,
}
WIDTHS = {"KL": 5, "fluency": 5, "accuracy": 4}
"""Cells that each measure needs at least."""


class GridView(Vertical):
    """Layers by alphas, shaded by one measure, over a line on the cell under the cursor."""

    TITLE: ClassVar[str] = "grid"
    INTERVAL: ClassVar[float] = 0.25
    DEFAULT_CSS = """
    GridView {
        height: 1fr;
        .about { height: 1; color: $text-muted; text-wrap: nowrap; }
        #cell { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    def __init__(self, glyphs: Glyphs, ascii_only: bool) -> None:
        super().__init__(id="grid")
        self._glyphs = glyphs
        self._ascii = ascii_only
        self._state = RunState()
        self._tried: ExperimentState | None = None
        self._experiment: ScanSettings | None = None
        self._measure = "KL"

    def compose(self) -> ComposeResult:
        """What is shown, the table, and the cell under the cursor."""
        yield Static("", id="about", classes="about", markup=False)
        yield HeatTable(ramp(self._ascii), ascii_only=self._ascii, colours=shows_shades())
        yield Static("", id="cell", markup=False)

    @property
    def table(self) -> HeatTable:
        """The table."""
        return self.query_one(HeatTable)

    @property
    def measure(self) -> str:
        """The measure that shades the table."""
        return self._measure

    @property
    def selected(self) -> CellMeasured | None:
        """The measured cell under the cursor."""
        if self._experiment is None:
            return None
        row, column = self.table.cursor
        at = (self._experiment.layers[row], self._experiment.alphas[column])
        return self._measured().get(at)

    @property
    def experiment(self) -> ScanSettings | None:
        """What was measured."""
        return self._experiment

    def next_measure(self) -> None:
        """Shade by the next measure that there is."""
        names = [name for name in MEASURES if name != "accuracy" or self._has_accuracy]
        at = names.index(self._measure) if self._measure in names else -1
        self._measure = names[(at + 1) % len(names)]
        self._draw()

    def fingerprint(self, state: RunState) -> Hashable:
        """Cells come one by one; the run's own may move."""
        tried = state.experiment
        if tried is None or not isinstance(tried.experiment, ScanSettings):
            return settings.setting_of(state)
        return tried.experiment, tried.cells, tried.running, settings.setting_of(state)

    def show(self, state: RunState) -> None:
        """Draw the table; that of before stays until there is another."""
        self._state = state
        tried = state.experiment
        if tried is not None and isinstance(tried.experiment, ScanSettings):
            self._tried = tried
            if tried.experiment != self._experiment:
                self._experiment = tried.experiment
                self._draw(self._own())
                return
        self._draw()

    def on_resize(self) -> None:
        """More may fit into a cell."""
        self._draw()

    @property
    def _has_accuracy(self) -> bool:
        return any(cell.accuracy is not None for cell in self._measured().values())

    def _measured(self) -> dict[tuple[int, float], CellMeasured]:
        cells = self._tried.cells if self._tried is not None else ()
        return {(cell.layer, cell.alpha): cell for cell in cells}

    def _own(self) -> tuple[int, int] | None:
        """Row and column of the cell that the run steers with."""
        now, tried = settings.setting_of(self._state), self._experiment
        if now is None or tried is None or now.mode == "off" or len(now.layers) != 1:
            return None
        same = (tried.setting.mode, tried.setting.alpha_unit, tried.setting.pool)
        if same != (now.mode, now.alpha_unit, now.pool):
            return None
        if now.layers[0] not in tried.layers or now.alpha not in tried.alphas:
            return None
        return tried.layers.index(now.layers[0]), tried.alphas.index(now.alpha)

    def _draw(self, cursor: tuple[int, int] | None = None) -> None:
        tried = self._experiment
        about = self.query_one("#about", Static)
        if tried is None:
            about.update(
                "Each layer with each alpha: how far it moves the LLM, how fluent it stays.",
                layout=False,
            )
            return
        measured = self._measured()
        if self._measure == "accuracy" and not self._has_accuracy:
            self._measure = "KL"
        values = [
            value for c in measured.values() if (value := MEASURES[self._measure](c)) is not None
        ]
        wide = self._fits_all(len(tried.alphas))
        own = self._own()
        cells = [
            [
                self._cell(measured.get((layer, alpha)), values, wide, own == (row, column))
                for column, alpha in enumerate(tried.alphas)
            ]
            for row, layer in enumerate(tried.layers)
        ]
        columns = [f"{alpha:g}" for alpha in tried.alphas]
        rows = [str(layer) for layer in tried.layers]
        self.table.set_table("layer", columns, rows, cells, cursor)
        about.update(self._about(wide, tried), layout=False)
        self._draw_selected()

    def _about(self, wide: bool, tried: ScanSettings) -> str:
        names = self._shown(wide)
        unit = " of the norm" if tried.setting.alpha_unit == "relative" else ""
        own = "" if self._own() is None else ", * the run's own"
        return (
            f"alpha{unit} across, {tried.setting.mode}; {', '.join(names)}; "
            f"shaded by {self._measure}{own}"
        )

    def _shown(self, wide: bool) -> Sequence[str]:
        if not wide:
            return [self._measure]
        return ["KL", "fluency", *(["accuracy"] if self._has_accuracy else [])]

    def _fits_all(self, columns: int) -> bool:
        needed = 5 + WIDTHS["KL"] + WIDTHS["fluency"]
        if self._has_accuracy:
            needed += 1 + WIDTHS["accuracy"]
        return 8 + columns * needed <= self.size.width

    def _cell(
        self, cell: CellMeasured | None, values: Sequence[float], wide: bool, own: bool
    ) -> HeatCell:
        if cell is None:
            waits = self._tried is not None and self._tried.running
            return HeatCell(self._glyphs.writing if waits else "-", None, own)
        shown = [
            _format(name, MEASURES[name](cell)).rjust(WIDTHS[name]) for name in self._shown(wide)
        ]
        value = MEASURES[self._measure](cell)
        if value is None:
            level = None
        elif self._measure == "KL":
            level = kl_level(value)
        else:
            level = level_between(value, values)
        return HeatCell(" ".join(shown), level, own)

    @on(HeatTable.CursorMoved)
    def _cursor_moved(self, event: HeatTable.CursorMoved) -> None:
        event.stop()
        self._draw_selected()

    def _draw_selected(self) -> None:
        cell = self.selected
        if cell is None:
            text = kl_legend(self._ascii) if self._measure == "KL" else ""
        else:
            accuracy = "" if cell.accuracy is None else f", accuracy {cell.accuracy:.1%}"
            text = (
                f"layer {cell.layer}, alpha {cell.alpha:g}: KL {_format('KL', cell.kl)}, "
                f"fluency {_format('fluency', cell.fluency)} nats, "
                f"{counted(cell.templates, 'template')}{accuracy}{_refused(cell)}"
            )
        self.query_one("#cell", Static).update(text, layout=False)


def _refused(cell: CellMeasured) -> str:
    return f"; {cell.refused} not scored: {clean(cell.why_refused)}" if cell.refused else ""


def _format(measure: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return {"KL": f"{value:.3f}", "fluency": f"{value:.2f}", "accuracy": f"{100 * value:.0f}%"}[
        measure
    ]

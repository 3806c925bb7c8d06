"""``LineChart``: several series over a fixed x range, repainted only where cells change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from glov_tui.widgets.chart import Chart, Mark, draw_chart
from glov_tui.widgets.component_styles import KeepsComponentStyles
from glov_tui.widgets.legend import Options, Series, bounds, x_values
from glov_tui.widgets.ticks import PERCENT, NumberFormat, stable_range

__all__ = ["LineChart", "Mark", "NumberFormat", "Options", "Series"]


class LineChart(KeepsComponentStyles, can_focus=True):
    """A line chart in braille, or in ASCII, that costs a slow line only the cells that changed.

    Data come through ``set_data``. Left and right move a cursor whose values the legend shows,
    escape removes it, enter and a click post ``PointSelected``.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"line-chart--{name}{key}"
        for name in ("primary", "secondary", "success", "warning", "error", "accent", "muted")
        for key in ("", "-key")
    } | {
        f"line-chart--{name}"
        for name in ("axis", "label", "mark", "name", "value", "cursor", "empty")
    }
    DEFAULT_CSS = """
    LineChart {
        width: 1fr;
        height: 1fr;
        & > .line-chart--primary { color: $text-primary; }
        & > .line-chart--secondary { color: $text-secondary; }
        & > .line-chart--success { color: $text-success; }
        & > .line-chart--warning { color: $text-warning; }
        & > .line-chart--error { color: $text-error; }
        & > .line-chart--accent { color: $text-accent; }
        & > .line-chart--muted { color: $text-muted; }
        & > .line-chart--primary-key { color: $text-primary; text-style: bold; }
        & > .line-chart--secondary-key { color: $text-secondary; text-style: bold; }
        & > .line-chart--success-key { color: $text-success; text-style: bold; }
        & > .line-chart--warning-key { color: $text-warning; text-style: bold; }
        & > .line-chart--error-key { color: $text-error; text-style: bold; }
        & > .line-chart--accent-key { color: $text-accent; text-style: bold; }
        & > .line-chart--muted-key { color: $text-muted; text-style: bold; }
        & > .line-chart--axis { color: $text-disabled; }
        & > .line-chart--label { color: $text-muted; }
        & > .line-chart--name { color: $text-muted; }
        & > .line-chart--value { color: $text; text-style: bold; }
        & > .line-chart--mark { color: $text-warning; text-style: bold; }
        & > .line-chart--cursor { color: $text; }
        & > .line-chart--empty { color: $text-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "inspect(-1)", "Earlier value", show=False),
        Binding("right", "inspect(1)", "Later value", show=False),
        Binding("home", "inspect_end(0)", "First value", show=False),
        Binding("end", "inspect_end(-1)", "Last value", show=False),
        Binding("enter", "select_point", "Choose this point", show=False),
        Binding("escape", "inspect_none", "Leave the values", show=False),
    ]

    ascii: reactive[bool] = reactive(False, init=False)
    """Whether only ASCII characters are drawn."""
    cursor: reactive[float | None] = reactive(None, init=False, repaint=False)
    """The x whose values the legend shows; None for the last values."""

    class PointSelected(Message):
        """A point was clicked or chosen with enter; ``x`` is the nearest x that has a value."""

        def __init__(self, chart: LineChart, x: float) -> None:
            super().__init__()
            self.chart = chart
            self.x = x

        @property
        def control(self) -> LineChart:
            """The chart, for ``@on(LineChart.PointSelected, "#id")``."""
            return self.chart

    def __init__(
        self,
        y_format: NumberFormat = PERCENT,
        y_limits: tuple[float, float] | None = None,
        y_least: float = 0.0,
        x_name: str = "",
        empty: str = "no data yet",
        ascii: bool = False,
        legend: bool = True,
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """``y_limits`` bound the axis where data do not ask for more, as (0, 1) does fractions;
        it spans at least ``y_least``, in the unit of y.

        ``x_name`` ("step") stands before the x labels and the cursor's x; ``empty`` is shown
        until there is a value; ``legend``: whether there is one above the plot.
        """
        super().__init__(name=name, id=id, classes=classes)
        self.set_reactive(LineChart.ascii, ascii)
        self._options = Options(y_format, x_name, empty, ascii, legend)
        self._y_limits = y_limits
        self._y_least = y_least
        self._y_range: tuple[float, float] | None = None
        self._series: tuple[Series, ...] = ()
        self._marks: tuple[Mark, ...] = ()
        self._x_range: tuple[float, float] = (0.0, 1.0)
        self._chart: Chart | None = None

    def call_x(self, name: str) -> None:
        """Another name of what is on the x axis; drawn with the next data."""
        self._options = replace(self._options, x_name=name)

    def nearest(self, x: float) -> float | None:
        """The x with a value that is nearest; None without data."""
        return min(self._x_values(), key=lambda known: abs(known - x), default=None)

    def set_data(
        self,
        series: Sequence[Series],
        marks: Sequence[Mark] = (),
        x_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        """Show ``series`` (the first one on top) and ``marks`` over the fixed ``x_range``.

        Repaints the cells that differ from those on screen, nothing if none does, and never asks
        for a layout. The sequences are copied.
        """
        frozen = tuple(
            replace(one, points=tuple(one.points), intervals=tuple(one.intervals)) for one in series
        )
        if (frozen, tuple(marks), x_range) == (self._series, self._marks, self._x_range):
            return
        self._series, self._marks, self._x_range = frozen, tuple(marks), x_range
        low, high = bounds(frozen, x_range)
        if low <= high:
            self._y_range = stable_range(low, high, self._y_range, self._y_limits, self._y_least)
        else:
            self._y_range = None
        if self.cursor is not None and self.cursor not in self._x_values():
            self.set_reactive(LineChart.cursor, None)
        self._update_cells()

    def _x_values(self) -> list[float]:
        return x_values(self._series, self._x_range)

    def _draw(self) -> Chart:
        return draw_chart(
            (self.size.width, self.size.height),
            self._series,
            self._marks,
            self._x_range,
            self._y_range or self._y_limits or (0.0, 1.0),
            self._options,
            self.cursor,
        )

    def _update_cells(self) -> None:
        """Draw again, and be repainted if that looks different; the first paint draws anyway."""
        if self._chart is None or not self._is_current():
            return
        old, self._chart = self._chart.grid, self._draw()
        if self._chart.grid != old:
            self.refresh()

    def _is_current(self) -> bool:
        """Whether the drawn grid has the widget's size (it has not between resize and paint)."""
        grid = self._chart.grid if self._chart is not None else None
        return grid is not None and (grid.width, grid.height) == tuple(self.size)

    def render_line(self, y: int) -> Strip:
        """One row of the chart."""
        if self._chart is None or not self._is_current():
            self._chart = self._draw()
        if y >= self._chart.grid.height:
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        return self._chart.grid.strip(y, self._style)

    def _style(self, name: str) -> Style:
        if not name:
            return self.visual_style.rich_style  # cached, as rich_style is not
        try:
            return self.get_component_rich_style(f"line-chart--{name}")
        except KeyError:
            return self.visual_style.rich_style

    def watch_ascii(self, ascii: bool) -> None:
        """Draw with the other characters; the reactive repaints the whole widget."""
        self._options = replace(self._options, ascii=ascii)
        self._chart = None

    def watch_cursor(self) -> None:
        """Show the values at the cursor."""
        self._update_cells()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape and enter are the chart's own only while the cursor is shown."""
        if action in ("select_point", "inspect_none"):
            return self.cursor is not None
        return True

    def action_inspect(self, step: int) -> None:
        """Move the cursor by ``step`` values; it starts at the last one."""
        values = self._x_values()
        if not values:
            return
        if self.cursor is None:
            self.cursor = values[-1]
        else:
            index = values.index(self.cursor) if self.cursor in values else len(values) - 1
            self.cursor = values[min(max(index + step, 0), len(values) - 1)]

    def action_inspect_end(self, index: int) -> None:
        """Move the cursor to the first (0) or last (-1) value."""
        values = self._x_values()
        if values:
            self.cursor = values[index]

    def action_inspect_none(self) -> None:
        """Remove the cursor."""
        self.cursor = None

    def action_select_point(self) -> None:
        """Post the cursor's x."""
        if self.cursor is not None:
            self.post_message(self.PointSelected(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the value nearest to the click and post it."""
        offset = event.get_content_offset(self)
        values = self._x_values()
        if offset is None or self._chart is None or not values:
            return
        column = (offset.x - self._chart.left + 0.5) * self._chart.cell[0]
        frame = self._chart.frame
        distances = [abs((frame.column(x) or 0) - column) for x in values]
        self.cursor = values[distances.index(min(distances))]
        self.post_message(self.PointSelected(self, self.cursor))

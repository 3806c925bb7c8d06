"""Several runs on one chart, live, and below it what was done to each by hand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from engine.analysis.run_curves import AXES, Axis, CurveWatch, RunCurve
from engine.common.errors import UserError
from engine.common.wording import counted
from glov_tui.cockpit.runs.chart_lines import (
    AXIS_NAMES,
    WINDOWS,
    Drawn,
    chart_data,
    legend_line,
    log_header,
    log_line,
    log_rows,
)
from glov_tui.cockpit.runs.live_table import begin_to_look, rest_after
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.glyphs import ASCII, Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.line_chart import LineChart
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

LOOK_SECONDS = 1.0  # between two looks at the journals, at least
MOST_RUNS = 24
NO_LOG = "Nobody has edited these runs, or injected a template into them."


class LogTable(RowTable):
    """What was done to the runs by hand."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Read", tooltip="Show the whole line", show=False),
    ]


class ChartScreen(Dialog[None]):
    """The best accuracies of several runs, aligned by step, by time or by images scored."""

    OPENED_BY: ClassVar[str] = "beside"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "axis", "Align", tooltip="By steps, by minutes at work, by images scored"),
        Binding("s", "smooth", "Smooth", tooltip="As it was, or the mean of 3, 5 or 10 steps"),
        Binding("tab", "app.focus_next", "Other part", tooltip="Chart, log; runs, if not all fit"),
        Binding("escape,q", "dismiss(None)", "Back", key_display="esc", tooltip="Close it"),
    ]
    DEFAULT_CSS = """
    ChartScreen {
        background: $background; layout: vertical;
        #chart-title { height: 1; background: $panel; text-wrap: nowrap; padding: 0 1; }
        LineChart { height: 1fr; min-height: 5; }
        TextView { height: 2; padding: 0 1; }
        TextView:focus { background: $accent 15%; }
        LogTable { height: 4; border-top: solid $foreground 35%; }
        #chart-said { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    .-ascii ChartScreen LogTable { border-top: ascii $foreground 35%; }
    """

    class Seen(Message):
        """The journals were looked at."""

    def __init__(self, folders: Sequence[Path], glyphs: Glyphs) -> None:
        """``folders``: of runs and of sweeps, whose runs are meant."""
        super().__init__()
        self._folders, self._glyphs = list(folders), glyphs
        self._axis: Axis = "step"
        self._window = WINDOWS[0]
        self._looked: _Looked | None = None  # replaced as a whole by the thread
        self._drawn: Sequence[Drawn] = ()
        self._curves: tuple[RunCurve, ...] = ()
        self._shown: object = None
        self._ended = threading.Event()

    def compose(self) -> ComposeResult:
        """A title, the chart, a line for each run, the log, and a line of it in full."""
        yield Static("reading the journals ...", id="chart-title", markup=False)
        yield LineChart(
            y_limits=(0.0, 1.0),
            y_least=0.1,
            x_name=AXIS_NAMES[self._axis][0],
            empty="A line begins with the seed's accuracy.",
            ascii=self._glyphs is ASCII,
            legend=False,
        )
        yield TextView()
        yield LogTable("|" if self._glyphs is ASCII else "▌")
        yield Static(NO_LOG, id="chart-said", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Follow the journals on a thread."""
        self.query_one(TextView).can_focus = False
        chart = self.query_one(LineChart)
        chart.focus()
        self.watch(chart, "cursor", self._cursor_moved, init=False)
        begin_to_look(self._look, "glov-curves")

    def on_unmount(self) -> None:
        """Look no more."""
        self._ended.set()

    def on_resize(self) -> None:
        """Other numbers of lines fit."""
        self.call_after_refresh(self._show)

    # -- on its own thread -------------------------------------------------------------------

    def _look(self) -> None:
        watch, folders, drawn = CurveWatch(), list[Path](), tuple[Drawn, ...]()
        while not self._ended.is_set():
            begun = time.monotonic()
            found, problem = _runs_of(self._folders)
            # Those of a sweep that begin later come last: what is drawn keeps number and colour.
            now = [run for run in folders if run in found]
            now += [run for run in found if run not in folders]
            if now[:MOST_RUNS] != folders:
                folders = now[:MOST_RUNS]
                names = names_of(folders)
                drawn = tuple(Drawn(number, names) for number in range(1, len(names) + 1))
                watch.follow(folders)
            self._looked = _Looked(drawn, watch.look(), len(now) - len(folders), problem)
            self.post_message(self.Seen())
            self._ended.wait(rest_after(time.monotonic() - begun, LOOK_SECONDS))

    # -- drawing -----------------------------------------------------------------------------

    @on(Seen)
    def _show(self) -> None:
        looked = self._looked
        if looked is None or not self.size:
            return
        if looked.problem and not looked.curves:
            self.query_one("#chart-title", Static).update(clean(looked.problem), layout=False)
            return
        of = (looked, self._axis, self._window, tuple(self.size))
        if of != self._shown:
            self._shown = of
            self._drawn, self._curves = looked.drawn, looked.curves
            self._draw(looked)

    def _draw(self, looked: _Looked) -> None:
        curves = looked.curves
        title = f"{counted(len(curves), 'run')}: best few-shot accuracy by {self._axis_words}"
        if self._window > 1:
            title += f"; mean of {counted(self._window, 'step')}, as it was behind it in dots"
        in_view = self._legend_height(curves)
        if in_view < len(curves):
            title += f"; tab, down: {len(curves) - in_view} more below"
        if looked.left_out:
            title += f"; {looked.left_out} more left out"
        if looked.problem:
            title += f"; {clean(looked.problem)}"
        self.query_one("#chart-title", Static).update(title, layout=False)
        series, marks, x_range = chart_data(
            self._drawn, curves, self._axis, self._window, self.size.width
        )
        chart = self.query_one(LineChart)
        chart.call_x(AXIS_NAMES[self._axis][0])
        chart.set_data(series, marks, x_range)
        self._draw_legend(curves)
        rows = log_rows(self._drawn, curves)
        height = self.size.height
        legend = self._legend_height(curves)
        view = self.query_one(TextView)
        view.styles.height = legend
        view.can_focus = legend < len(curves)  # to be scrolled; the rest is out of view
        table = self.query_one(LogTable)
        table.display = bool(rows)
        table.styles.height = min(len(rows) + 2, max(4, height // 4))
        before = table.selected_key
        keys = [key for key, _, _ in rows]
        cursor = keys.index(before) if before in keys else 0
        table.set_rows(log_header(), keys, lambda at: log_line(rows[at][1], rows[at][2]), cursor)
        self._say_selected()

    def _legend_height(self, curves: Sequence[RunCurve]) -> int:
        return min(len(curves), max(2, self.size.height // 5))

    def _draw_legend(self, curves: tuple[RunCurve, ...]) -> None:
        at = self.query_one(LineChart).cursor
        width = self.size.width - 2
        lines: list[Line] = [
            legend_line(one, curve, self._axis, at, self._glyphs, width)
            for one, curve in zip(self._drawn, curves, strict=True)
        ]
        self.query_one(TextView).set_lines(lines)

    @property
    def _axis_words(self) -> str:
        return AXIS_NAMES[self._axis][1]

    def _cursor_moved(self) -> None:
        if self._curves:
            self._draw_legend(self._curves)

    def _say_selected(self) -> None:
        curves, key = self._curves, self.query_one(LogTable).selected_key
        rows = {row[0]: row for row in log_rows(self._drawn, curves)}
        text = NO_LOG
        if key in rows:
            _, one, each = rows[key]
            who = each.author or "a person"
            text = f"{one.name}, step {each.place.step}, {who}: {each.text}"
        self.query_one("#chart-said", Static).update(clean(text), layout=False)

    @on(RowTable.RowSelected)
    @on(RowTable.RowChosen)
    def _log_moved(self, event: RowTable.RowSelected | RowTable.RowChosen) -> None:
        """The chart's cursor goes to where it was done."""
        event.stop()  # it is not for the table of whoever opened this
        key = self.query_one(LogTable).selected_key
        for known, _, each in log_rows(self._drawn, self._curves):
            if known == key:
                chart = self.query_one(LineChart)
                chart.cursor = chart.nearest(each.place.on(self._axis))
        self._say_selected()

    # -- actions -----------------------------------------------------------------------------

    def action_axis(self) -> None:
        """Align by the next axis."""
        self._axis = AXES[(AXES.index(self._axis) + 1) % len(AXES)]
        self.query_one(LineChart).cursor = None
        self._show()

    def action_smooth(self) -> None:
        """The next window."""
        self._window = WINDOWS[(WINDOWS.index(self._window) + 1) % len(WINDOWS)]
        self._show()


@dataclass(frozen=True)
class _Looked:
    """The runs at one moment."""

    drawn: tuple[Drawn, ...]
    curves: tuple[RunCurve, ...]
    left_out: int  # runs for which there is no room
    problem: str  # why one of the sweeps can't be read


def _runs_of(folders: Sequence[Path]) -> tuple[list[Path], str]:
    """The runs, and those of the sweeps that are begun, each once; and what is wrong with one."""
    from engine.sweeps.sweep import is_sweep, run_folders

    found: dict[str, Path] = {}  # by what they resolve to: a link to one of them is the same run
    problem = ""
    for folder in folders:
        try:
            runs = run_folders(str(folder)) if is_sweep(folder) else [folder]
        except UserError as error:
            problem = str(error)
            continue
        except OSError as error:
            problem = f"{folder} can't be read: {error.strerror}"
            continue
        for run in runs:
            found.setdefault(os.path.realpath(run), run)
    return list(found.values()), problem


def names_of(folders: Sequence[Path]) -> list[str]:
    """Names that tell runs apart: with the folders that they are in where two have the same."""
    names = []
    for folder in folders:
        depth = 1
        while depth < len(folder.parts) and _ends_so(folders, folder.parts[-depth:]) > 1:
            depth += 1
        names.append("/".join(folder.parts[-depth:]))
    return names


def _ends_so(folders: Sequence[Path], parts: tuple[str, ...]) -> int:
    return sum(folder.parts[-len(parts) :] == parts for folder in folders)

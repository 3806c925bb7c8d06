"""``glov sweep``: runs of a grid with progress on stderr, then a table and a chart on stdout."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.common.statistics import Spread
from engine.common.stop_signals import stop_on_signal
from engine.common.wording import counted
from engine.run import events as ev
from engine.run.state import RunState
from engine.storage.run_folder import LOG, new_run_folder
from engine.storage.run_record import Metric, RunRecord, read_record
from engine.sweeps.document import Ended, sweep_facts
from engine.sweeps.grid import Grid, describe, format_value, make_grid, parse_axis, short_names
from engine.sweeps.sweep import (
    Backend,
    FinishedJob,
    Job,
    LocalBackend,
    Row,
    Sweep,
    make_rows,
    open_sweep,
)
from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, say
from glov_tui.common.progress import format_seconds
from glov_tui.common.text import clean
from glov_tui.terminal.outliving import ProgressConsole, Readers, outliving_the_terminal
from glov_tui.terminal.printing import METRIC_NAMES, percent, print_json, result_console
from glov_tui.widgets.whiskers import Whisker, draw_whiskers

_SHOWN: tuple[Metric, ...] = ("best_train_accuracy", "ensemble_test_accuracy", "area")
_CHARTS: dict[Metric, str] = {
    "best_train_accuracy": "best few-shot accuracy",
    "ensemble_test_accuracy": "ensemble test accuracy",
}


def drive_sweep(
    source: str,
    overrides: Sequence[str],
    axes: Sequence[str],
    folder: Path | None,
    as_json: bool,
) -> int:
    """Run a sweep, or go on with the one in ``folder``; returns the exit code.

    Ctrl+c and SIGTERM stop the run under way at its next safe point; a second one ends the
    process. When the terminal goes, the sweep goes on.

    Raises:
        UserError: before any run is started, if the grid, a configuration or the folder is wrong.
    """
    grid = make_grid(source, overrides, map(parse_axis, axes))
    if folder is None:
        folder = new_run_folder(f"{grid.cells[0].config.name}-sweep")
    sweep = open_sweep(folder, grid)
    again = ["glov", "sweep", source, *(f"--grid={axis}" for axis in axes)]
    again += [f"--set={override}" for override in overrides]
    again.append(f"--sweep-dir={folder}")
    with outliving_the_terminal(folder / LOG) as readers:
        return _drive(sweep, grid, shlex.join(again), as_json, readers)


def _drive(sweep: Sweep, grid: Grid, command: str, as_json: bool, readers: Readers) -> int:
    for note in grid.notes:
        say(f"note: {note}")
    console = ProgressConsole()
    failed, stopped = _run_jobs(sweep, console, readers)
    records, damaged = sweep.records()
    if as_json:
        status: Ended = "stopped" if stopped else "failed" if failed else "finished"
        print_json(sweep_facts(sweep, grid, records, failed | damaged, status))
    else:
        _print_result(sweep, grid, records)
    for name, error in failed.items():
        say(f"glov: {name} failed: {error}")
    if stopped:
        say(f"stopped; go on with: {command}")
        return EXIT_INTERRUPTED
    if failed:
        say(
            f"{len(failed)} of {counted(len(sweep.jobs), 'run')} failed; "
            f"try them again with: {command}"
        )
        return EXIT_FAILED
    say(f"intervals and paired tests: glov compare {shlex.quote(str(sweep.folder))}")
    return EXIT_DONE


def _run_jobs(sweep: Sweep, console: Console, readers: Readers) -> tuple[dict[str, str], bool]:
    """Run what is not finished; gives the failed jobs with reasons, and whether it was stopped."""
    known, failed = sweep.records()
    finished = {name for name, record in known.items() if record.finished}
    todo = [job for job in sweep.jobs if job.name not in finished and job.name not in failed]
    if finished:
        say(f"finished already: {len(finished)} of {counted(len(sweep.jobs), 'run')}")
    watch = _Watch(console, readers, len(sweep.jobs), done=len(finished), left=len(todo))
    if not todo:
        return failed, False
    backend: Backend = LocalBackend(watch.on_event)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        backend.stop()

    with stop_on_signal(stop), watch.shown():
        for ended in backend.run(todo):
            watch.ended(ended)
            if ended.status == "failed":
                failed[ended.job.name] = ended.error or "no reason was given"
    return failed, stopped and watch.left > 0


class _Watch:
    """Shows which run is under way and says how each one ended."""

    def __init__(
        self,
        console: Console,
        readers: Readers,
        total: int,
        done: int,
        left: int,
    ) -> None:
        self.left = left
        self._console, self._readers = console, readers
        self._total = total
        self._done = done
        self._job: Job | None = None
        self._state = RunState()
        self._begun = self._job_begun = time.monotonic()
        self._ended = 0
        self._warned: set[str] = set()

    def shown(self) -> Live:
        """A line that follows the run under way, on a terminal only."""
        return Live(
            console=self._console,
            get_renderable=self._line,
            refresh_per_second=4 if self._console.is_terminal else 0.01,
            transient=True,
        )

    def on_event(self, job: Job, event: ev.Event, state: RunState) -> None:
        """Take an event of the run under way; on the engine's thread."""
        self._job, self._state = job, state
        match event:
            case ev.RunStarted() | ev.RunReopened():
                self._job_begun = time.monotonic()
                if not self._console.is_terminal:
                    goes_on = ", goes on" if isinstance(event, ev.RunReopened) else ""
                    self._print(f"run {self._done + 1} of {self._total}: {job.name}{goes_on}")
            case ev.Warned() if event.message not in self._warned:  # runs share their data
                self._warned.add(event.message)
                self._print(f"{job.name}: {event.message}", "yellow")

    def ended(self, ended: FinishedJob) -> None:
        """Say how a run ended."""
        if ended.status == "stopped":
            return
        self._job = None
        self.left -= 1
        self._done += 1
        self._ended += 1
        took = format_seconds(time.monotonic() - self._job_begun)
        if ended.status == "failed":
            self._print(f"{ended.job.name}: failed", "red")
            return
        values = read_record(ended.job.folder).values
        self._print(
            f"{ended.job.name}: best few-shot {percent(values['best_train_accuracy'])} %, "
            f"ensemble test {percent(values['ensemble_test_accuracy'])} % ({took})"
        )

    def _print(self, text: str, style: str = "") -> None:
        try:
            self._console.print(Text(clean(text), style=style), soft_wrap=True)
        except OSError:  # nobody is there any more to read it
            self._readers.replace()

    def _line(self) -> Text:
        job, state = self._job, self._state
        if not self._console.is_terminal or job is None:
            return Text()
        phase = state.progress.phase if state.progress else state.status
        best = f", best {percent(state.best.accuracy)} %" if state.best is not None else ""
        left = None
        if self._ended:
            left = (time.monotonic() - self._begun) / self._ended * self.left
        text = (
            f"run {self._done + 1} of {self._total}: {job.name}, step {state.step} of "
            f"{job.config.steps}, {phase}{best}, ETA {format_seconds(left)}"
        )
        return Text(clean(text), no_wrap=True, overflow="ellipsis")


# -- the result --------------------------------------------------------------------------------


def _print_result(sweep: Sweep, grid: Grid, records: Mapping[str, RunRecord]) -> None:
    console, plain = result_console()
    rows = make_rows(sweep, records)
    names = short_names([axis.key for axis in grid.axes])
    narrow = console.width < 80
    console.print(_table(sweep, rows, names if narrow else {}, plain))
    for metric, heading in _CHARTS.items():
        whiskers = [
            _whisker(f"{number} {_label(row, names)}", found)
            for number, row in enumerate(rows, start=1)
            if (found := row.spread(metric)) is not None
        ]
        if not whiskers:
            continue
        console.print()
        console.print(Text(heading, style="bold"))
        for line in draw_whiskers(whiskers, console.width, plain):
            console.print(Text(line), soft_wrap=True)
    dot, thick, thin = ("o", "=", "-") if plain else ("●", "━", "─")
    if any(len(row.runs) > 1 for row in rows):
        console.print(
            Text(f"{dot} mean, {thick} one standard deviation, {thin} lowest to highest run")
        )


def _label(row: Row, names: Mapping[str, str]) -> str:
    return clean(describe({names[key]: value for key, value in row.values.items()}) or "all runs")


def _whisker(label: str, found: Spread) -> Whisker:
    inner = None
    if found.deviation is not None:
        inner = found.mean - found.deviation, found.mean + found.deviation
        inner = max(inner[0], found.low), min(inner[1], found.high)
    return Whisker(label, found.mean, found.low, found.high, inner)


def _table(sweep: Sweep, rows: Sequence[Row], names: Mapping[str, str], plain: bool) -> Table:
    finished = sum(len(row.runs) for row in rows)
    caption = (
        f"In %: mean {'+-' if plain else '±'} standard deviation, and lowest to highest, over "
        "finished runs. Area: mean over steps of the best few-shot accuracy so far."
    )
    if any(row.best for row in rows):
        caption += " * is the best mean train accuracy; the test split has no part in it."
    table = Table(
        title=Text(
            f"{clean(str(sweep.folder))}: {finished} of {counted(len(sweep.jobs), 'run')} finished"
        ),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
        caption=caption,
        caption_justify="left",
    )
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("values", overflow="fold")
    table.add_column("runs", justify="right", no_wrap=True)
    for metric in _SHOWN:
        table.add_column(METRIC_NAMES[metric], justify="right", no_wrap=True)
    for number, row in enumerate(rows, start=1):
        values = [f"{names.get(key, key)}={format_value(v)}" for key, v in row.values.items()]
        runs = f"{len(row.runs)}" if len(row.runs) == row.planned else _of(row)
        table.add_row(
            f"{number}{'*' if row.best else ' '}",
            Text("\n".join(map(clean, values)) or "all runs"),
            runs,
            *(_spread_text(row.spread(metric), plain) for metric in _SHOWN),
            style="bold" if row.best else "",
        )
    return table


def _of(row: Row) -> str:
    return f"{len(row.runs)} of {row.planned}"


def _spread_text(found: Spread | None, plain: bool) -> str:
    if found is None:
        return "-"
    if found.deviation is None:
        return f"{percent(found.mean)}\none run"
    sign = "+-" if plain else "±"
    return (
        f"{percent(found.mean)} {sign} {percent(found.deviation)}\n"
        f"{percent(found.low)} to {percent(found.high)}"
    )

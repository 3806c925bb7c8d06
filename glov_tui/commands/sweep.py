"""``glov sweep``: runs of a grid with progress on stderr, then a table and a chart on stdout."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from engine.common.errors import ConfigError, UserError
from engine.common.quiet_ray import INSTALL, check_address
from engine.common.statistics import Spread
from engine.common.wording import counted
from engine.storage.run_folder import LOG, new_run_folder
from engine.storage.run_record import Metric, RunRecord
from engine.sweeps.document import Ended, sweep_facts
from engine.sweeps.driving import is_driven
from engine.sweeps.fleet import Fleet
from engine.sweeps.grid import Grid, describe, format_value, make_grid, parse_axis, short_names
from engine.sweeps.ray_backend import RayOptions
from engine.sweeps.sweep import (
    Row,
    Sweep,
    make_rows,
    open_sweep,
)
from glov_tui.commands.driving import has_terminal
from glov_tui.commands.headless import EXIT_DONE, say
from glov_tui.commands.running_jobs import run_jobs, say_ended
from glov_tui.common.text import clean
from glov_tui.terminal.outliving import ProgressConsole, Readers, outliving_the_terminal
from glov_tui.terminal.printing import METRIC_NAMES, percent, print_json, result_console
from glov_tui.widgets.whiskers import Whisker, draw_whiskers

_SHOWN: tuple[Metric, ...] = ("best_train_accuracy", "ensemble_test_accuracy", "area")
_CHARTS: dict[Metric, str] = {
    "best_train_accuracy": "best few-shot accuracy",
    "ensemble_test_accuracy": "ensemble test accuracy",
}


@dataclass(frozen=True)
class Shown:
    """How a sweep is shown, as it was typed."""

    headless: bool = False
    as_json: bool = False
    low_bandwidth: bool = False

    @property
    def on_screen(self) -> bool:
        """Whether there is to be a screen: where it can be."""
        return not (self.headless or self.as_json) and has_terminal()


def drive_sweep(
    source: str,
    overrides: Sequence[str],
    axes: Sequence[str],
    folder: Path | None,
    shown: Shown,
    ray: RayOptions | None = None,
) -> int:
    """Run a sweep, or go on with the one in ``folder``; returns the exit code.

    On a terminal it has a process of its own, and a screen that may come and go. Without a screen
    ctrl+c and SIGTERM stop the runs under way at their next safe point; a second one ends the
    process. When the terminal goes, the sweep goes on. With ``ray`` a cluster runs them.

    Raises:
        UserError: before any run is started, if the grid, a configuration, the folder or the
            cluster is wrong.
    """
    grid = make_grid(source, overrides, map(parse_axis, axes))
    if folder is None:
        folder = new_run_folder(f"{grid.cells[0].config.name}-sweep")
    sweep = open_sweep(folder, grid)
    again = ["glov", "sweep", source, *(f"--grid={axis}" for axis in axes)]
    again += [f"--set={override}" for override in overrides]
    again += _ray_words(ray) if ray is not None else []
    again.append(f"--sweep-dir={folder}")
    if shown.on_screen and sweep.is_left():
        return _show(sweep, grid, again, shown.low_bandwidth)
    with outliving_the_terminal(folder / LOG) as readers:
        return _drive(sweep, grid, shlex.join(again), shown.as_json, readers, ray)


def _show(sweep: Sweep, grid: Grid, command: Sequence[str], low_bandwidth: bool) -> int:
    """Drive a sweep in a process of its own, if none does, and show it; then say how it is."""
    from glov_tui.commands.fleet import Driver, say_ways_back, show_fleet

    for note in grid.notes:
        say(f"note: {note}")
    driver = None if is_driven(sweep.folder) else Driver(sweep.folder, command[1:])
    show_fleet(Fleet(sweep.folder), sweep.folder, low_bandwidth, driver)
    if is_driven(sweep.folder) or (driver is not None and driver.lives()):
        say_ways_back(sweep.folder)
        return EXIT_DONE
    records, failed = sweep.records()
    _print_result(sweep, grid, records)
    failed |= {name: r.error or "" for name, r in records.items() if r.status == "failed"}
    ended = sum(record.finished for record in records.values()) + len(failed)
    return say_ended(failed, ended < len(sweep.jobs), len(sweep.jobs), shlex.join(command))


def ray_options(
    wanted: bool,
    address: str | None,
    gpus: float | None,
    cpus: float | None,
    retries: int | None,
) -> RayOptions | None:
    """What was typed of a cluster; None where none is ``wanted``. Nothing is imported for it.

    Raises:
        UserError: naming the option that is wrong, or saying that there is no Ray, or no cluster.
    """
    typed = {
        "--address": address,
        "--gpus-per-trial": gpus,
        "--cpus-per-trial": cpus,
        "--retries": retries,
    }
    given = [option for option, value in typed.items() if value is not None]
    if not wanted:
        if given:
            raise ConfigError(f"{given[0]} is for a cluster: add --backend ray")
        return None
    if gpus is not None and not (0 <= gpus <= 1 or (gpus < 1e6 and gpus == int(gpus))):
        raise ConfigError(f"--gpus-per-trial {gpus:g}: a share from 0 to 1, or a whole number")
    if cpus is not None and not 0 < cpus < 1e6:
        raise ConfigError(f"--cpus-per-trial {cpus:g}: a number over 0")
    if retries is not None and not 0 <= retries <= 1000:
        raise ConfigError(f"--retries {retries}: a number from 0 to 1000")
    if find_spec("ray") is None:
        raise UserError(f"--backend ray needs Ray: {INSTALL}")
    if address is not None:
        check_address(address)
    usual = RayOptions()
    return RayOptions(
        address,
        usual.cpus if cpus is None else cpus,
        gpus,
        usual.retries if retries is None else retries,
    )


def _ray_words(ray: RayOptions) -> list[str]:
    """The options of a cluster, as they are typed; those that are as by default are left out."""
    words, usual = ["--backend=ray"], RayOptions()
    for option, value, default in (
        ("--address", ray.address, usual.address),
        ("--cpus-per-trial", ray.cpus, usual.cpus),
        ("--gpus-per-trial", ray.gpus, usual.gpus),
        ("--retries", ray.retries, usual.retries),
    ):
        if value is not None and value != default:
            words.append(f"{option}={value if isinstance(value, str) else format(value, 'g')}")
    return words


def _drive(
    sweep: Sweep,
    grid: Grid,
    command: str,
    as_json: bool,
    readers: Readers,
    ray: RayOptions | None,
) -> int:
    for note in grid.notes:
        say(f"note: {note}")
    console = ProgressConsole()
    failed, stopped = run_jobs(sweep, console, readers, ray=ray)
    records, damaged = sweep.records()
    if as_json:
        status: Ended = "stopped" if stopped else "failed" if failed else "finished"
        print_json(sweep_facts(sweep, grid, records, failed | damaged, status))
    else:
        _print_result(sweep, grid, records)
    code = say_ended(failed, stopped, len(sweep.jobs), command)
    if code == EXIT_DONE:
        say(f"intervals and paired tests: glov compare {shlex.quote(str(sweep.folder))}")
    return code


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

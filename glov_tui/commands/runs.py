"""``glov runs``: the runs on this disk, the latest last, so that it is beside the prompt."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import look_at
from engine.config import EvaluationConfig
from engine.config.run_name import runs_folder
from engine.search.registry import DEFAULT_SEARCH
from glov_tui.commands.headless import say
from glov_tui.common.progress import age
from glov_tui.common.text import clean
from glov_tui.terminal.printing import percent, print_json, result_console

_DEFAULT_SELECTION = EvaluationConfig.model_fields["select"].default
_STYLES = {"running": "green", "paused": "yellow", "failed": "red", "damaged": "red"}


def print_runs(names: Sequence[str], as_json: bool) -> None:
    """Print the runs in these folders, or in the runs folder, as a table or one JSON document.

    Raises:
        UserError: if a folder that was named is not there or can't be read.
    """
    seen = look_at(names)
    runs = seen.runs
    if seen.denied:
        say(seen.denied_in_words)
    if as_json:
        print_json([run.as_dict() for run in runs])
        return
    if not runs:
        say(f"no runs in {', '.join(names) or f'{runs_folder()}/'} yet; `glov demo` makes one")
        return
    console, _ = result_console()
    table = _table(runs)
    # A name is never broken: it is there to be copied. The terminal wraps what is too wide.
    room = console.options.update(width=10_000, max_width=10_000)
    console.width = max(console.width, Measurement.get(console, room, table).maximum)
    console.print(table, crop=False)
    for run in runs:
        if run.problem is not None:
            console.print(Text(clean(f"- {run.folder.name}: {run.problem}")))


def _table(runs: Sequence[ListedRun]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, collapse_padding=True, pad_edge=False)
    # Accuracies are in percent.
    table.add_column("run", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for heading in ("steps", "best\nfew-shot", "best\ntest", "ensemble\ntest", "age"):
        table.add_column(heading, justify="right", no_wrap=True)
    has_parents = any(run.parent is not None for run in runs)
    has_searches = any(run.search not in (None, DEFAULT_SEARCH) for run in runs)
    if has_searches:
        table.add_column("search", no_wrap=True)
    selections = {run.selection for run in runs} - {None}
    has_selections = selections not in (set(), {_DEFAULT_SELECTION})
    if has_selections:
        table.add_column("selection", no_wrap=True)
    if has_parents:
        table.add_column("forked from", no_wrap=True)
    now = time.time()
    for run in runs:
        parent = f"{run.parent} at step {run.parent_step}" if run.parent is not None else ""
        table.add_row(
            Text(clean(run.folder.name)),
            Text(run.status, style=_STYLES.get(run.status, "")),
            _done(run),
            percent(run.train_accuracy),
            percent(run.best_test_accuracy),
            percent(run.ensemble_test_accuracy),
            age(now, run.last_event),
            *([Text(clean(run.search or ""))] if has_searches else []),
            *([run.selection or ""] if has_selections else []),
            *([Text(clean(parent))] if has_parents else []),
        )
    return table


def _done(run: ListedRun) -> str:
    if run.status == "damaged" and not run.planned:
        return "-"
    return f"{run.done}/{run.planned}{' runs' if run.is_sweep else ''}"

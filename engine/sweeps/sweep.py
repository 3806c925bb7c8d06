"""Sweeps: one run per cell of a grid, each an ordinary run in its own folder.

What runs them is a ``Backend``; what is known of them afterwards is read from their journals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.common.errors import JournalError, UserError
from engine.common.files import make_private_folder
from engine.config.run_name import LATEST, runs_folder
from engine.storage.journal import is_begun
from engine.storage.run_folder import EVENTS, find_folder, find_run, holds_run
from engine.storage.run_record import RunRecord, read_record
from engine.sweeps.backend import Job
from engine.sweeps.grid import Grid, describe
from engine.sweeps.over_seeds import OverSeeds
from engine.sweeps.plan import SWEEP, Plan, check_same, joined, plan_of, read_plan, write_plan


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder and its jobs, with each job's values by key."""

    folder: Path
    jobs: tuple[Job, ...]
    values: Mapping[str, Mapping[str, Any]]  # by job name

    def records(self) -> tuple[dict[str, RunRecord], dict[str, str]]:
        """Runs that were begun, by job name; and why others can't be read."""
        found, damaged = {}, {}
        for job in self.jobs:
            if is_begun(job.folder):
                try:
                    found[job.name] = read_record(job.folder)
                except JournalError as error:
                    damaged[job.name] = str(error)
        return found, damaged

    def is_left(self) -> bool:
        """Whether there are runs that are not finished, and can be read."""
        records, damaged = self.records()
        ended = sum(record.finished for record in records.values())
        return ended + len(damaged) < len(self.jobs)


def is_sweep(folder: Path) -> bool:
    """Whether the folder holds a sweep."""
    return (folder / SWEEP).is_file()


def holds_run_or_sweep(folder: Path) -> bool:
    """Whether the folder is a run's or a sweep's.

    Raises:
        OSError: if it can't be looked at.
    """
    return holds_run(folder) or is_sweep(folder)


def open_sweep(folder: Path, grid: Grid, grows: bool = False) -> Sweep:
    """Begin a sweep in ``folder``, or take up the one that is there if it is the same.

    With ``grows`` the one that is there may have other runs: they stay, and the new ones are added.

    Raises:
        UserError: if the folder can't be written, holds a run, or a sweep with another grid or
            configuration.
    """
    plan = plan_of(grid)
    try:
        is_begun_sweep = is_sweep(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: a sweep can't be written there: {error.strerror}; give another --sweep-dir"
        ) from error
    if is_begun_sweep:
        before = read_plan(folder)
        if not grows:
            check_same(folder, before, plan)
            return _sweep(folder, plan)
        plan = joined(folder, before, plan)
        if plan != before:
            write_plan(folder, plan)
        return _sweep(folder, plan)
    check_free(folder, grid)
    make_private_folder(folder, "a sweep", "--sweep-dir")
    write_plan(folder, plan)
    return _sweep(folder, plan)


def check_free(folder: Path, grid: Grid) -> None:
    """See that a sweep can begin in a folder in which there is none.

    Raises:
        UserError: if something else is there.
    """
    taken = [name for name in (EVENTS, *(c.folder for c in grid.cells)) if (folder / name).exists()]
    if taken:
        raise UserError(
            f"{folder} has {taken[0]}, but no {SWEEP}: it is no sweep's folder. Give another "
            "--sweep-dir"
        )


def read_sweep(folder: Path) -> Sweep:
    """The sweep in a folder.

    Raises:
        JournalError: if it can't be read.
    """
    return _sweep(folder, read_plan(folder))


def find_run_or_sweep(name: str) -> Path:
    """The folder of a run or a sweep, by path or name in runs/.

    Raises:
        JournalError: if there is none, or several may be meant.
    """
    return find_folder(name, holds_run_or_sweep) or find_run(name)


def run_folders(name: str) -> list[Path]:
    """Folders of a run, or of all runs of a sweep that were begun; by path or name in runs/.

    Raises:
        JournalError: if there is no such run or sweep, or a sweep in which no run was begun.
    """
    folder = find_folder(name, holds_run_or_sweep)
    if folder is None:
        raise JournalError(
            f"{name}: there is no run (no {EVENTS}) and no sweep (no {SWEEP}); give the folder of "
            f"one, its name in {runs_folder()}/ or the beginning of it, or {LATEST}"
        )
    if not is_sweep(folder):
        return [folder]
    begun = [job.folder for job in read_sweep(folder).jobs if is_begun(job.folder)]
    if not begun:
        raise JournalError(f"{folder}: no run of this sweep was begun")
    return begun


def _sweep(folder: Path, plan: Plan) -> Sweep:
    return Sweep(
        folder,
        tuple(Job(cell.folder, cell.config, folder / cell.folder) for cell in plan.cells),
        {cell.folder: cell.values for cell in plan.cells},
    )


# -- results ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row(OverSeeds):
    """One combination of values, with those of its runs that are finished."""

    planned: int = 0  # runs
    best: bool = False  # see ``make_rows``


def make_rows(sweep: Sweep, records: Mapping[str, RunRecord]) -> list[Row]:
    """One row per combination of values other than the seed, in the grid's order.

    The best row has the highest mean best train accuracy, ties broken by the mean area; the test
    split has no part in it. Rows that are complete come before those that are not. Rows that tie
    in all of that are all best.
    """
    rows: dict[str, Row] = {}
    for job in sweep.jobs:
        values = {key: v for key, v in sweep.values[job.name].items() if key != "seed"}
        row = rows.get(describe(values), Row(values, ()))
        record = records.get(job.name)
        finished = (record,) if record is not None and record.finished else ()
        rows[describe(values)] = replace(row, planned=row.planned + 1, runs=(*row.runs, *finished))
    result = list(rows.values())
    ranked = [row for row in result if row.spread("best_train_accuracy") is not None]
    if len(ranked) > 1:
        best = max(map(_rank, ranked))
        result = [replace(row, best=bool(row.runs) and _rank(row) == best) for row in result]
    return result


def _rank(row: Row) -> tuple[bool, float, float]:
    train, area = row.spread("best_train_accuracy"), row.spread("area")
    return (
        len(row.runs) == row.planned,
        round(train.mean, 12) if train else 0.0,  # equal means may differ by rounding
        round(area.mean, 12) if area else 0.0,
    )

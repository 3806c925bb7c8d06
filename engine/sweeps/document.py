"""The result of a sweep as plain data for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from engine.common.record import Count, Share
from engine.storage.run_record import Metric, RunRecord
from engine.storage.run_status import RunStatus
from engine.sweeps.backend import Job
from engine.sweeps.grid import Grid
from engine.sweeps.over_seeds import SpreadFacts, spread_facts
from engine.sweeps.sweep import Row, Sweep, make_rows

Ended = Literal["finished", "failed", "stopped"]


class RowFacts(TypedDict):
    """One combination of values, over its seeds; null where no run has the metric."""

    values: dict[str, Any]
    planned: Count  # runs
    finished: Count
    best: bool  # the highest mean best train accuracy; several rows may tie
    best_train_accuracy: SpreadFacts | None
    best_test_accuracy: SpreadFacts | None
    ensemble_test_accuracy: SpreadFacts | None
    area: SpreadFacts | None
    # Means of the true class; null too where an earlier glov measured
    best_train_probability: SpreadFacts | None
    best_test_probability: SpreadFacts | None
    ensemble_test_probability: SpreadFacts | None


class SweepRun(TypedDict):
    """One run of the grid. One that was not begun, or can't be read, has no numbers."""

    run: str  # the name of its folder
    folder: str
    seed: NotRequired[int]
    status: RunStatus | Literal["new"]
    error: str | None  # why it failed, or can't be read
    edited: NotRequired[bool]  # a person's edits, templates or choices took part
    steps: NotRequired[Count]  # that are done
    best_train_accuracy: NotRequired[Share | None]
    best_test_accuracy: NotRequired[Share | None]
    ensemble_test_accuracy: NotRequired[Share | None]
    area: NotRequired[Share | None]
    best_train_probability: NotRequired[Share | None]
    best_test_probability: NotRequired[Share | None]
    ensemble_test_probability: NotRequired[Share | None]
    values: dict[str, Any]  # of the keys of the grid


class SweepFacts(TypedDict):
    """A whole sweep."""

    sweep: str  # the name of its folder
    folder: str
    status: Ended
    grid: dict[str, list[Any]]  # values by configuration key
    rows: list[RowFacts]
    runs: list[SweepRun]


def sweep_facts(
    sweep: Sweep,
    grid: Grid,
    records: Mapping[str, RunRecord],
    failed: Mapping[str, str],
    status: Ended,
) -> SweepFacts:
    """The whole sweep as plain data; what is not known is None.

    Args:
        sweep: what is on disk.
        grid: what was asked for.
        records: of the runs that were begun, by the name of their job.
        failed: why others failed or can't be read, likewise.
        status: how the sweep ended.
    """
    return {
        "sweep": sweep.folder.name,
        "folder": str(sweep.folder),
        "status": status,
        "grid": {axis.key: list(axis.values) for axis in grid.axes},
        "rows": [_row(row) for row in make_rows(sweep, records)],
        "runs": [
            _run(job, records.get(job.name), sweep.values[job.name], failed.get(job.name))
            for job in sweep.jobs
        ],
    }


def _row(row: Row) -> RowFacts:
    return {
        "values": dict(row.values),
        "planned": row.planned,
        "finished": len(row.runs),
        "best": row.best,
        "best_train_accuracy": _spread(row, "best_train_accuracy"),
        "best_test_accuracy": _spread(row, "best_test_accuracy"),
        "ensemble_test_accuracy": _spread(row, "ensemble_test_accuracy"),
        "area": _spread(row, "area"),
        "best_train_probability": _spread(row, "best_train_probability"),
        "best_test_probability": _spread(row, "best_test_probability"),
        "ensemble_test_probability": _spread(row, "ensemble_test_probability"),
    }


def _spread(row: Row, metric: Metric) -> SpreadFacts | None:
    found = row.spread(metric)
    return spread_facts(found) if found is not None else None


def _run(
    job: Job, record: RunRecord | None, values: Mapping[str, Any], failed: str | None
) -> SweepRun:
    where, told = str(job.folder), dict(values)
    if record is None:
        return {"run": job.name, "status": "new", "folder": where, "values": told, "error": failed}
    return {
        **record.as_dict(),
        "folder": where,
        "values": told,
        "error": failed if failed is not None else record.error,
    }

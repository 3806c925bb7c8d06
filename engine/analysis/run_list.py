"""The runs in a folder, at a glance: how far each is, and whether it is under way.

From summaries and journals alone: no model is loaded, and what can't be read is a line that says
so and hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from typing_extensions import TypedDict

from engine.common.errors import JournalError
from engine.common.record import Count, Share, UnixTime
from engine.common.user_path import user_path
from engine.config import Select
from engine.config.run_name import runs_folder
from engine.storage.journal import is_begun
from engine.storage.run_folder import find_folder, run_argument, wanted_in_runs_folder
from engine.storage.run_status import RunStatus, status_now
from engine.storage.summary import read_summary
from engine.sweeps.sweep import holds_run_or_sweep, is_sweep, read_sweep

T = TypeVar("T", int, float)

_Accuracy = Literal["best_train_accuracy", "best_test_accuracy", "ensemble_test_accuracy"]


class RunLine(TypedDict):
    """A run, or a sweep. Accuracies: null where not measured; a sweep's highest."""

    name: str  # of its folder
    folder: str
    kind: Literal["run", "sweep"]
    status: RunStatus
    done: Count  # steps; of a sweep: finished runs
    planned: Count
    search: str | None  # search.kind of a run
    best_train_accuracy: Share | None
    best_test_accuracy: Share | None
    ensemble_test_accuracy: Share | None
    # Means of the true class; null also of a sweep, and where an earlier glov measured
    best_train_probability: Share | None
    best_test_probability: Share | None
    ensemble_test_probability: Share | None
    selection: Select | None  # how a run's ensemble was chosen: evaluation.select
    tokens_in: Count | None  # that an LLM on a server was sent; null where it is on none
    tokens_out: Count | None  # that it replied with
    cost: float | None  # by llm.price_in and llm.price_out; null where none were given
    last_event: UnixTime | None  # Unix time, seconds
    parent: str | None  # the run that it is a fork of
    parent_step: Count | None  # the last step that both share
    problem: str | None  # why it failed, or what is wrong with its journal


@dataclass(frozen=True)
class ListedRun:
    """A run, or a sweep whose ``runs`` are counted. Its texts are untrusted: clean before showing.

    Accuracies are shares, 0 to 1, None where not measured; a sweep's are the highest of its runs.
    """

    folder: Path
    status: RunStatus
    done: int = 0  # steps, or finished runs of a sweep
    planned: int = 0
    search: str | None = None  # of a run; None where it is not known
    is_sweep: bool = False
    train_accuracy: float | None = None
    best_test_accuracy: float | None = None
    ensemble_test_accuracy: float | None = None
    train_probability: float | None = None  # mean of the true class; None of a sweep
    best_test_probability: float | None = None
    ensemble_test_probability: float | None = None
    selection: Select | None = None  # how a run's ensemble was chosen; None: not measured
    tokens_in: int | None = None  # on a server; of a sweep: of all its runs
    tokens_out: int | None = None
    cost: float | None = None
    last_event: float | None = None  # Unix time, seconds
    parent: str | None = None
    parent_step: int | None = None
    problem: str | None = None  # why it failed, or what is wrong with its journal

    def as_dict(self) -> RunLine:
        """Plain data for ``--json``."""
        return {
            "name": self.folder.name,
            "folder": str(self.folder),
            "kind": "sweep" if self.is_sweep else "run",
            "status": self.status,
            "done": self.done,
            "planned": self.planned,
            "search": self.search,
            "best_train_accuracy": self.train_accuracy,
            "best_test_accuracy": self.best_test_accuracy,
            "ensemble_test_accuracy": self.ensemble_test_accuracy,
            "best_train_probability": self.train_probability,
            "best_test_probability": self.best_test_probability,
            "ensemble_test_probability": self.ensemble_test_probability,
            "selection": self.selection,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost": self.cost,
            "last_event": self.last_event,
            "parent": self.parent,
            "parent_step": self.parent_step,
            "problem": self.problem,
        }


def list_runs(names: Sequence[str] = ()) -> list[ListedRun]:
    """The runs and sweeps in these folders, or in the runs folder; the latest event is last.

    A name is a folder with runs in it, a run, or a sweep, whose runs are then listed; by path, or
    by name in the runs folder.

    Raises:
        JournalError: if a folder that was named is not there or can't be read.
    """
    folders: dict[Path, Path] = {}  # by what they resolve to, so that none is listed twice
    for folder in [path for name in names for path in _named(name)] if names else _all():
        folders.setdefault(folder.resolve(), folder)
    found = [_sweep(folder) if is_sweep(folder) else _run(folder) for folder in folders.values()]
    return sorted(found, key=lambda run: (run.last_event or 0.0, run.folder.name))


def _all() -> list[Path]:
    base = runs_folder()
    if _is_listed(base):  # a run itself
        return _runs_in(base)
    return wanted_in_runs_folder(holds_run_or_sweep)


def _named(name: str) -> list[Path]:
    folder = find_folder(name, _is_listed)
    if folder is None:
        paths = (user_path(name), runs_folder() / name)  # a folder of runs
        folder = next((path for path in paths if os.path.isdir(path)), None)  # noqa: PTH112 - never raises
    if folder is None:
        raise JournalError(f"{name}: there is no such folder, also not in {runs_folder()}/")
    return _runs_in(folder)


def _runs_in(base: Path) -> list[Path]:
    if not is_sweep(base) and _is_listed(base):
        return [base]
    try:
        return _listed(base.iterdir())
    except OSError as error:
        raise JournalError(f"{base} can't be read: {error.strerror}") from error


def _listed(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_dir() and _is_listed(path))


def _is_listed(folder: Path) -> bool:
    try:
        return holds_run_or_sweep(folder)
    except OSError:
        return False  # a folder of somebody else


def _run(folder: Path) -> ListedRun:
    try:
        found = read_summary(folder)
        status = status_now(found.status, folder)
    except JournalError as error:
        return ListedRun(folder, "damaged", problem=str(error))
    except Exception as error:  # whatever is wrong with one run, the others are shown
        return ListedRun(folder, "damaged", problem=_unforeseen(folder, error))
    return ListedRun(
        folder=folder,
        status=status,
        done=found.done,
        planned=found.planned,
        search=found.search or None,
        train_accuracy=found.train_accuracy,
        best_test_accuracy=found.best_test_accuracy,
        ensemble_test_accuracy=found.ensemble_test_accuracy,
        train_probability=found.train_probability,
        best_test_probability=found.best_test_probability,
        ensemble_test_probability=found.ensemble_test_probability,
        selection=found.selection,
        tokens_in=found.tokens_in,
        tokens_out=found.tokens_out,
        cost=found.cost,
        last_event=found.last_event,
        parent=found.parent,
        parent_step=found.parent_step,
        problem=found.problem,
    )


def _unforeseen(folder: Path, error: Exception) -> str:
    what = str(error) or type(error).__name__
    return f"{folder} can't be read: {what}. `glov check {run_argument(folder)}` may say more"


def _sweep(folder: Path) -> ListedRun:
    try:
        jobs = read_sweep(folder).jobs
    except JournalError as error:
        return ListedRun(folder, "damaged", is_sweep=True, problem=str(error))
    except Exception as error:
        problem = _unforeseen(folder, error)
        return ListedRun(folder, "damaged", is_sweep=True, problem=problem)
    runs = [_run(job.folder) for job in jobs if is_begun(job.folder)]
    finished = sum(run.status == "finished" for run in runs)
    return ListedRun(
        folder=folder,
        status=_sweep_status(runs, len(jobs)),
        done=finished,
        planned=len(jobs),
        is_sweep=True,
        train_accuracy=_highest(runs, "best_train_accuracy"),
        best_test_accuracy=_highest(runs, "best_test_accuracy"),
        ensemble_test_accuracy=_highest(runs, "ensemble_test_accuracy"),
        tokens_in=_sum([run.tokens_in for run in runs]),
        tokens_out=_sum([run.tokens_out for run in runs]),
        cost=_sum([run.cost for run in runs]),
        last_event=max((run.last_event or 0.0 for run in runs), default=_changed(folder)),
        problem=next((run.problem for run in runs if run.problem), None),
    )


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _sweep_status(runs: Sequence[ListedRun], planned: int) -> RunStatus:
    found = {run.status for run in runs}
    if found == {"finished"} and len(runs) == planned:
        return "finished"
    order: tuple[RunStatus, ...] = ("running", "paused", "damaged", "failed", "stopped")
    return next((status for status in order if status in found), "interrupted")


def _sum(values: Sequence[T | None]) -> T | None:
    """Of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _highest(runs: Sequence[ListedRun], metric: _Accuracy) -> float | None:
    values = [run.as_dict()[metric] for run in runs]
    return max((value for value in values if value is not None), default=None)

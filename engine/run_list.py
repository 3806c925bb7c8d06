"""The runs in a folder, at a glance: how far each is, and whether it is under way.

From journals alone: no model is loaded, and a damaged journal is a line that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import JournalError
from engine.journal import fold_journal, is_begun, is_driven, read_journal
from engine.run_folder import EVENTS, runs_folder
from engine.run_record import Metric, RunRecord, begun_config, record_of
from engine.state import RunState
from engine.sweep import is_sweep, read_sweep
from engine.user_path import user_path

RunStatus = Literal["running", "paused", "stopped", "failed", "finished", "interrupted", "damaged"]
"""``running`` and ``paused`` by a live process; ``interrupted``: the journal ends in the middle,
and no process has it open."""


@dataclass(frozen=True)
class ListedRun:
    """A run, or a sweep whose ``runs`` are counted. Its texts are untrusted: clean before showing.

    Accuracies are shares, 0 to 1, None where not measured; a sweep's are the highest of its runs.
    """

    folder: Path
    status: RunStatus
    done: int = 0  # steps, or finished runs of a sweep
    planned: int = 0
    is_sweep: bool = False
    train_accuracy: float | None = None
    test_accuracy: float | None = None  # of the ensemble
    last_event: float | None = None  # Unix time, seconds
    parent: str | None = None
    parent_step: int | None = None
    problem: str | None = None  # why it failed, or what is wrong with its journal

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            "name": self.folder.name,
            "folder": str(self.folder),
            "kind": "sweep" if self.is_sweep else "run",
            "status": self.status,
            "done": self.done,
            "planned": self.planned,
            "best_train_accuracy": self.train_accuracy,
            "ensemble_test_accuracy": self.test_accuracy,
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
    for name in names or [str(runs_folder())]:
        base = _find(name)
        if base is None:
            if not names:
                return []
            raise JournalError(f"{name}: there is no such folder, also not in {runs_folder()}/")
        for folder in _runs_in(base):
            folders.setdefault(folder.resolve(), folder)
    found = [_sweep(folder) if is_sweep(folder) else _run(folder) for folder in folders.values()]
    return sorted(found, key=lambda run: (run.last_event or 0.0, run.folder.name))


def _find(name: str) -> Path | None:
    paths = (user_path(name), runs_folder() / name)
    return next((path for path in paths if path.is_dir()), None)


def _runs_in(base: Path) -> list[Path]:
    if not is_sweep(base) and _is_listed(base):
        return [base]
    try:
        return sorted(path for path in base.iterdir() if path.is_dir() and _is_listed(path))
    except OSError as error:
        raise JournalError(f"{base} can't be read: {error.strerror}") from error


def _is_listed(folder: Path) -> bool:
    try:
        return is_sweep(folder) or (folder / EVENTS).is_file()
    except OSError:
        return False  # a folder of somebody else


def _run(folder: Path) -> ListedRun:
    try:
        state, record, last_event = _read(folder)
        driven = is_driven(folder)
    except JournalError as error:
        return ListedRun(folder, "damaged", problem=str(error))
    return ListedRun(
        folder=folder,
        status=_status(state, driven),
        done=state.steps_done,
        planned=state.config.steps if state.config else 0,
        train_accuracy=record.values["best_train_accuracy"],
        test_accuracy=record.values["ensemble_test_accuracy"],
        last_event=last_event,
        parent=state.forked.parent if state.forked else None,
        parent_step=state.forked.step if state.forked else None,
        problem=state.error,
    )


def _read(folder: Path) -> tuple[RunState, RunRecord, float]:
    events = read_journal(folder).events
    state = fold_journal(folder, events)
    return state, record_of(folder, state, begun_config(events)), events[-1].time


def _status(state: RunState, driven: bool) -> RunStatus:
    match state.status:
        case "stopped" | "failed" | "finished":
            return state.status
        case "paused" if driven:
            return "paused"
    return "running" if driven else "interrupted"


def _sweep(folder: Path) -> ListedRun:
    try:
        jobs = read_sweep(folder).jobs
    except JournalError as error:
        return ListedRun(folder, "damaged", is_sweep=True, problem=str(error))
    runs = [_run(job.folder) for job in jobs if is_begun(job.folder)]
    finished = sum(run.status == "finished" for run in runs)
    return ListedRun(
        folder=folder,
        status=_sweep_status(runs, len(jobs)),
        done=finished,
        planned=len(jobs),
        is_sweep=True,
        train_accuracy=_highest(runs, "best_train_accuracy"),
        test_accuracy=_highest(runs, "ensemble_test_accuracy"),
        last_event=max((run.last_event or 0.0 for run in runs), default=folder.stat().st_mtime),
        problem=next((run.problem for run in runs if run.problem), None),
    )


def _sweep_status(runs: Sequence[ListedRun], planned: int) -> RunStatus:
    found = {run.status for run in runs}
    if found == {"finished"} and len(runs) == planned:
        return "finished"
    order: tuple[RunStatus, ...] = ("running", "paused", "damaged", "failed", "stopped")
    return next((status for status in order if status in found), "interrupted")


def _highest(runs: Sequence[ListedRun], metric: Metric) -> float | None:
    values = [run.as_dict()[metric] for run in runs]
    return max((value for value in values if value is not None), default=None)

"""What a list of runs knows of each: a run, or a sweep in one line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from typing_extensions import TypedDict

from engine.common.ownership import user_name
from engine.common.record import Count, Share, UnixTime
from engine.config import Select
from engine.run.state import RunState
from engine.storage.lock import Owner
from engine.storage.run_status import RunStatus
from engine.storage.watched_run import SeenRun

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
    dataset: str | None  # as the configuration names it; of a sweep: all of its runs'
    vlm: str | None
    llm: str | None
    seed: int | None  # of a run
    best_template: str | None  # its beginning
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
    dataset: str | None = None  # as the configuration names it; of a sweep: all of its runs'
    vlm: str | None = None
    llm: str | None = None
    seed: int | None = None
    best_template: str | None = None  # its beginning
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
    leads_to: Path | None = None  # where the folder is, if it is a link
    other_user: str | None = None  # whose it is, if it is not this user's
    owner: Owner | None = field(default=None, compare=False)  # the process that drives it, or did
    state: RunState | None = field(default=None, compare=False)  # of a run that is under way

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def is_under_way(self) -> bool:
        """Whether a process is at work on it."""
        return self.status in ("running", "paused")

    @property
    def is_loading(self) -> bool:
        """Whether it runs, and has no models yet."""
        return self.status == "running" and self.state is not None and self.state.models is None

    @property
    def test_accuracy(self) -> float | None:
        """Of the ensemble, else of the best template."""
        ensemble = self.ensemble_test_accuracy
        return self.best_test_accuracy if ensemble is None else ensemble

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
            "dataset": self.dataset,
            "vlm": self.vlm,
            "llm": self.llm,
            "seed": self.seed,
            "best_template": self.best_template,
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


def listed_run(folder: Path, seen: SeenRun) -> ListedRun:
    """A run of the list, as it was seen."""
    found = seen.summary
    if seen.status is None or found is None:
        is_begun_now = seen.status is None and seen.problem is None
        status: RunStatus = "running" if is_begun_now else "damaged"
        return ListedRun(
            folder,
            status,
            problem=seen.problem,
            leads_to=_leads_to(folder),
            other_user=_other_user(folder),
            owner=seen.owner,
        )
    return ListedRun(
        folder=folder,
        status=seen.status,
        done=found.done,
        planned=found.planned,
        search=found.search or None,
        dataset=found.dataset,
        vlm=found.vlm,
        llm=found.llm,
        seed=found.seed,
        best_template=found.best_template,
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
        problem=seen.problem,
        leads_to=_leads_to(folder),
        other_user=_other_user(folder),
        owner=seen.owner,
        state=seen.state,
    )


def listed_sweep(
    folder: Path, runs: Sequence[ListedRun], planned: int, is_driven: bool, written: float
) -> ListedRun:
    """A sweep of the list.

    Args:
        folder: of the sweep.
        runs: those that are begun.
        planned: number of runs.
        is_driven: whether a process is at work on it, also between two runs.
        written: when its folder was, Unix time in seconds.
    """
    finished = sum(run.status == "finished" for run in runs)
    best = max(
        (run for run in runs if run.train_accuracy is not None),
        key=lambda run: run.train_accuracy or 0.0,
        default=None,
    )
    return ListedRun(
        folder=folder,
        status=_sweep_status(runs, planned, is_driven),
        done=finished,
        planned=planned,
        is_sweep=True,
        dataset=_all_of(run.dataset for run in runs),
        vlm=_all_of(run.vlm for run in runs),
        llm=_all_of(run.llm for run in runs),
        best_template=best.best_template if best is not None else None,
        train_accuracy=_highest(runs, "best_train_accuracy"),
        best_test_accuracy=_highest(runs, "best_test_accuracy"),
        ensemble_test_accuracy=_highest(runs, "ensemble_test_accuracy"),
        tokens_in=_sum([run.tokens_in for run in runs]),
        tokens_out=_sum([run.tokens_out for run in runs]),
        cost=_sum([run.cost for run in runs]),
        last_event=max((run.last_event or 0.0 for run in runs), default=written),
        problem=next((run.problem for run in runs if run.problem), None),
        leads_to=_leads_to(folder),
        other_user=_other_user(folder),
    )


def _leads_to(folder: Path) -> Path | None:
    is_link = os.path.islink(folder)  # noqa: PTH114 - never raises
    return Path(os.path.realpath(folder)) if is_link else None


def _other_user(folder: Path) -> str | None:
    try:
        user = folder.stat().st_uid
    except OSError:  # it went meanwhile
        return None
    return user_name(user) if user != os.geteuid() else None


def _all_of(texts: Iterable[str | None]) -> str | None:
    """The different ones, in the order in which they come; None where nothing is known."""
    return ", ".join(dict.fromkeys(text for text in texts if text)) or None


def _sweep_status(runs: Sequence[ListedRun], planned: int, is_driven: bool) -> RunStatus:
    found = {run.status for run in runs}
    if is_driven:  # also between two runs
        return "running" if "paused" not in found or "running" in found else "paused"
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

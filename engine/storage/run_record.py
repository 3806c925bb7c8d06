"""What comparisons need to know of a run, from its journal alone: no model is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from typing_extensions import TypedDict

from engine.common.record import Count, Share
from engine.config import RunConfig
from engine.config.old import written_config
from engine.run import events as ev
from engine.run.state import RunState
from engine.storage.journal import fold_journal, read_journal
from engine.storage.run_status import RunStatus, status_now

Metric = Literal[
    "best_train_accuracy",
    "best_test_accuracy",
    "ensemble_test_accuracy",
    "area",
    "best_train_probability",
    "best_test_probability",
    "ensemble_test_probability",
]
"""What runs are compared by, all from 0 to 1. ``area`` is the area under the best-so-far curve:
the mean over steps 1 to N of the best train accuracy so far. Probabilities are means of the true
class's."""

METRICS: tuple[Metric, ...] = get_args(Metric)

PROBABILITY_OF: dict[Metric, Metric] = {
    "best_train_accuracy": "best_train_probability",
    "best_test_accuracy": "best_test_probability",
    "ensemble_test_accuracy": "ensemble_test_probability",
}
"""Beside each accuracy the mean probability of the true class, which runs of before don't have."""


class MetricValues(TypedDict):
    """What a run is compared by; null: not measured."""

    best_train_accuracy: Share | None
    best_test_accuracy: Share | None
    ensemble_test_accuracy: Share | None
    area: Share | None  # mean over steps of the best train accuracy so far
    # Mean of the true class; null too where an earlier glov measured
    best_train_probability: Share | None
    best_test_probability: Share | None
    ensemble_test_probability: Share | None


class RunNumbers(MetricValues):
    """A run and its numbers."""

    run: str  # the name of its folder
    folder: str
    seed: int
    status: RunStatus
    error: str | None  # why it failed
    edited: bool  # a person's edits, templates or choices took part
    steps: Count  # that are done


@dataclass(frozen=True)
class RunRecord:
    """A run's configuration and numbers. Its texts come from a journal: clean before showing."""

    folder: Path
    config: RunConfig  # as the run began
    edited: bool  # a person's edits, templates or choices took part
    status: RunStatus
    error: str | None
    steps_done: int
    models: ev.ModelsLoaded | None
    values: dict[Metric, float | None]
    images: dict[Metric, tuple[int, int]]  # hits, n; what a Wilson interval is made from

    @property
    def finished(self) -> bool:
        """Whether the run is done; numbers of others are those so far."""
        return self.status == "finished"

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.folder.name

    def as_dict(self) -> RunNumbers:
        """Plain data for ``--json``. What was not measured is None."""
        return {
            "run": self.name,
            "folder": str(self.folder),
            "seed": self.config.seed,
            "status": self.status,
            "error": self.error,
            "edited": self.edited,
            "steps": self.steps_done,
            "best_train_accuracy": self.values["best_train_accuracy"],
            "best_test_accuracy": self.values["best_test_accuracy"],
            "ensemble_test_accuracy": self.values["ensemble_test_accuracy"],
            "area": self.values["area"],
            "best_train_probability": self.values["best_train_probability"],
            "best_test_probability": self.values["best_test_probability"],
            "ensemble_test_probability": self.values["ensemble_test_probability"],
        }


def read_record(folder: Path) -> RunRecord:
    """Read a run's journal.

    Raises:
        JournalError: naming the file, line and what is wrong with it.
    """
    events = read_journal(folder).events
    return record_of(folder, fold_journal(folder, events), begun_config(events))


def begun_config(events: Sequence[ev.Event]) -> RunConfig:
    """The configuration that a run began with, from the facts of a journal that was read."""
    begun = events[0]
    assert isinstance(begun, ev.RunStarted)  # read_journal refuses others
    return written_config(begun.config)


def record_of(folder: Path, state: RunState, config: RunConfig) -> RunRecord:
    """The record of a run in ``state`` that began with ``config``."""
    best = state.best
    images: dict[Metric, tuple[int, int]] = {}
    values: dict[Metric, float | None] = dict.fromkeys(METRICS)
    scored = {"best_train_accuracy": best, **{m: state.test(s) for m, s in _TESTS.items()}}
    for metric, score in scored.items():
        if score is not None:
            images[metric] = score.hits, score.n
            values[metric] = score.hits / score.n
            values[PROBABILITY_OF[metric]] = score.probability
    values["area"] = _area(state)
    return RunRecord(
        folder=folder,
        config=config,
        # With other replies after the same beginning a run is no other seed's draw.
        edited=bool(state.edits)
        or any(t.origin == "human" for t in state.templates)
        or (state.forked is not None and config.data.sample_seed is not None),
        status=status_now(state.status, folder),
        error=state.error,
        steps_done=state.steps_done,
        models=state.models,
        values=values,
        images=images,
    )


_TESTS: dict[Metric, ev.Subject] = {
    "best_test_accuracy": "best",
    "ensemble_test_accuracy": "ensemble",
}


def _area(state: RunState) -> float | None:
    if not state.steps:
        return None
    best, curve = 0.0, []
    for step in state.steps:
        best = max(best, step.best)  # a ban can take the best away, not what was reached
        curve.append(best)
    return math.fsum(curve) / len(curve)

"""What the steering lab needs of a run to try something on its models."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import UserError
from engine.run import events as ev
from engine.run.experiment import CompareSettings, Experiment
from engine.run.state import RunState
from engine.vlm.families import task_of

if TYPE_CHECKING:
    from engine.search.strategy import Search
    from engine.storage.past_step import PastStep


def experiment_events(
    experiment: Experiment, state: RunState, search: Search | None, held: bool, folder: Path
) -> Generator[ev.ExperimentProgress, None, None]:
    """The telemetry of an experiment on a run that is ``held`` still.

    Raises:
        UserError: if the run is under way, or has no models or no P+ and P- yet; or there is no
            such step in the journal in ``folder``, or it was not steered.
    """
    if not held:
        raise UserError("the lab works while the run is paused")
    if search is None or state.config is None:
        raise UserError("the models are still being loaded")
    if isinstance(experiment, CompareSettings) and experiment.step is not None:
        yield from _of_past_step(experiment, experiment.step, state, search, folder)
        return
    anchors = state.with_pending().anchors  # two held by hand a moment ago count
    if anchors is None:
        raise UserError(
            "there is no P+ and P- yet: steering begins with the first improvement over the "
            "seed template; or hold two templates by hand"
        )
    from engine.search.lab import Subject, run_experiment

    positive, negative = (state.find(key) for key in anchors)
    assert positive is not None and negative is not None
    subject = Subject(
        llm=search.llm,
        messages=search.messages(state),
        sampling=state.config.sampling,
        positive=positive.text,
        negative=negative.text,
        task=task_of(state.config.vlm),
        fitness=search.fitness,
        accept=state.config.proposal.accept,
    )
    yield from run_experiment(experiment, subject)


def _of_past_step(
    experiment: CompareSettings, step: int, state: RunState, search: Search, folder: Path
) -> Generator[ev.ExperimentProgress, None, None]:
    from engine.search.lab import Subject, run_experiment
    from engine.storage.past_step import read_past_step

    past = read_past_step(folder, step)
    prepared = past.prepared
    if prepared is None:
        raise UserError(f"step {step} was not steered: its replies are those without steering")
    positive, negative = (state.find(key) for key in (prepared.positive, prepared.negative))
    assert positive is not None and negative is not None
    subject = Subject(
        llm=search.llm,
        messages=past.messages,
        sampling=past.config.sampling,
        positive=positive.text,
        negative=negative.text,
        task=task_of(past.config.vlm),
        accept=past.config.proposal.accept,
        seeds=reply_seeds(past),
    )
    yield from run_experiment(experiment, subject)


def reply_seeds(past: PastStep) -> list[int]:
    """The random numbers of a past step's replies, in their order."""
    from engine.search.proposing import derive_seed

    seed, replies = past.config.seed, range(len(past.replies))
    return [derive_seed(seed, past.step, past.attempt, i) for i in replies]

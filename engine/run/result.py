"""The result of a run as plain data: what ``--json`` prints and a summary is made from."""

from __future__ import annotations

import math
from typing import Literal

from typing_extensions import TypedDict

from engine.common.intervals import wilson_interval
from engine.common.record import Count, Interval, LogLikelihood, Seconds, Share
from engine.config import SearchKind, Select
from engine.run.events import Origin, TestMeasured
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.run.state_facts import Status
from engine.run.step_times import sum_of_times


class Parent(TypedDict):
    """The run that a fork is of."""

    run: str  # the name of its folder
    step: Count  # the last one that both share


class DatasetFacts(TypedDict):
    """The images that accuracies rest on; equal fingerprints make numbers comparable."""

    name: str
    fingerprint: str
    classes: Count
    train_images: Count
    test_images: Count


class ModelNames(TypedDict):
    """What proposed and what scored."""

    llm: str | None  # null where the search asks none
    vlm: str


class OnTestSplit(TypedDict):
    """Accuracy on the test split."""

    test_accuracy: Share | None
    test_interval: Interval | None
    test_images: Count | None
    test_probability: (
        Share | None
    )  # mean of the true class; null too where an earlier glov measured
    test_unnamed: Count | None  # of ``test_images``: the answer names no class, which is wrong


class OnTraining(TypedDict):
    """A template and its few-shot accuracy; all null where there is none yet."""

    template: str | None
    train_accuracy: Share | None
    train_interval: Interval | None
    train_images: Count | None
    train_probability: Share | None  # mean of the true class; null too where an earlier glov scored
    train_unnamed: Count | None  # of ``train_images``: the answer names no class, which is wrong


class Measured(OnTraining, OnTestSplit):
    """A template, its few-shot accuracy, and its accuracy on the test split."""


class Ensemble(OnTestSplit):
    """Templates that decide together (docs/glov.md, 5)."""

    templates: list[str]  # as often as they count
    selection: Select | None  # how they were chosen: evaluation.select


class AskedTest(OnTestSplit):
    """A template that a person had measured; the search has not seen its test accuracy."""

    template: str
    step: Count  # in which it was measured
    author: str  # who asked for it; empty: a person at a screen


class ReplyCounts(TypedDict):
    """What came of the LLM's replies, over all steps that are done."""

    proposed: Count
    parsed: Count  # hold a template
    parse_rate: Share | None
    duplicates: Count  # of ``parsed``: templates that were known
    tokens: Count


class Spending(TypedDict):
    """What the LLM's server has counted, also in steps that were cut off."""

    requests: Count
    tokens_in: Count
    tokens_out: Count  # with thoughts
    uncounted: Count  # of ``requests``: the server did not say their tokens
    cost: float | None  # by llm.price_in and llm.price_out; null where none were given


class ImageCounts(TypedDict):
    """Training images that all scores rest on: fewer with ``search.racing``."""

    scored: Count
    without_racing: Count


class SecondsByPhase(TypedDict):
    """Where the time of the steps went, summed over those of them that were measured."""

    steps: Count  # that are summed: an earlier glov measured none
    propose: Seconds  # the meta-prompt, the LLM's replies, and reading them
    steer: Seconds  # the direction of steering
    score: Seconds  # the VLM, on the training images
    wait: Seconds  # for the LLM's server
    journal: Seconds  # saying what came of it, to the disk and the screens
    other: Seconds
    test: Seconds  # the VLM, on the test images; no part of ``seconds_per_step``, as ``paused``
    paused: Seconds


class Place(TypedDict):
    """One template of the leaderboard."""

    template: str
    train_accuracy: Share
    train_interval: Interval
    train_images: Count  # that the accuracy rests on: all of the training split, or some
    train_probability: Share | None  # mean of the true class; null where an earlier glov scored
    train_unnamed: Count  # of ``train_images``: the answer names no class, which is wrong
    margin: LogLikelihood  # breaks ties of accuracy: higher is better
    step: Count  # in which it came up first; 0: the seed
    origin: Origin
    proposed_again: Count


Gone = Literal["interrupted", "damaged"]
"""What a run may be that its journal does not know of."""


class RunResult(TypedDict):
    """The result of a run so far. Accuracies are shares; what was not measured is null."""

    run: str  # the name of its folder
    forked_from: Parent | None
    status: Status | Gone  # interrupted: the process of it is gone
    error: str | None  # why it failed
    search: SearchKind | None  # search.kind
    steps: Count  # that are done
    seed: int | None
    dataset: DatasetFacts | None
    models: ModelNames | None
    baseline: Measured  # the seed template
    best: Measured
    ensemble: Ensemble
    asked_tests: list[AskedTest]  # while the run was under way
    replies: ReplyCounts
    spending: Spending | None  # null with an LLM that is on no server
    images: ImageCounts
    seconds_per_step: Seconds | None
    seconds_by_phase: SecondsByPhase | None  # null where no step was measured
    leaderboard: list[Place]  # all templates, best first


class PrintedResult(RunResult):
    """The result of a run so far, and where it is. What was not measured is null."""

    folder: str


def summarise(state: RunState, now: Status | Gone | None = None) -> RunResult:
    """The result so far. Accuracies are shares, 0 to 1; what was not measured is None.

    ``now``: what the run does, where that is known better than its journal can tell it.

    Every accuracy has its 95 % Wilson interval and the number of images it rests on beside it.
    """
    ranking = state.ranking
    best = state.best
    scored, of_all = state.images_scored
    seed = state.seed
    proposed = sum(s.new + s.duplicates + s.rejected for s in state.steps)
    parsed = sum(s.new + s.duplicates for s in state.steps)
    seconds = [s.seconds for s in state.steps]
    return {
        "run": state.run,
        "forked_from": {"run": state.forked.parent, "step": state.forked.step}
        if state.forked
        else None,
        "status": now or state.status,
        "error": state.error,
        "search": state.config.search.kind if state.config else None,
        "steps": state.steps_done,
        "seed": state.config.seed if state.config else None,
        "dataset": _dataset(state),
        "models": {"llm": state.models.llm or None, "vlm": state.models.vlm}
        if state.models
        else None,
        "baseline": {**_train(seed), **_test(state.test("seed"))},
        "best": {**_train(best), **_test(state.test("best"))},
        "ensemble": {
            "templates": list(t.templates) if (t := state.test("ensemble")) else [],
            "selection": t.selection if t else None,
            **_test(t),
        },
        "asked_tests": [
            {"template": t.templates[0], "step": t.step, "author": t.author, **_test(t)}
            for t in state.tests
            if t.subject == "asked"
        ],
        "replies": {
            "proposed": proposed,
            "parsed": parsed,
            "parse_rate": parsed / proposed if proposed else None,
            "duplicates": sum(s.duplicates for s in state.steps),
            "tokens": sum(s.tokens for s in state.steps),
        },
        "spending": _spending(state),
        "images": {"scored": scored, "without_racing": of_all},
        "seconds_per_step": math.fsum(seconds) / len(seconds) if seconds else None,
        "seconds_by_phase": _by_phase(state),
        "leaderboard": [
            {
                "template": t.text,
                "train_accuracy": t.accuracy,
                "train_interval": list(t.interval),
                "train_images": t.n,
                "train_probability": t.probability,
                "train_unnamed": t.unnamed,
                "margin": t.margin,
                "step": t.first.step,
                "origin": t.origin,
                "proposed_again": len(t.again),
            }
            for t in ranking
        ],
    }


def _by_phase(state: RunState) -> SecondsByPhase | None:
    found = sum_of_times(step.times for step in state.steps)
    if found is None:
        return None
    times, steps = found
    return {
        "steps": steps,
        "propose": times.propose,
        "steer": times.steer,
        "score": times.score,
        "wait": times.wait,
        "journal": times.journal,
        "other": times.other,
        "test": times.test,
        "paused": times.paused,
    }


def _spending(state: RunState) -> Spending | None:
    spent = state.spent
    if spent is None:
        return None
    return {
        "requests": spent.requests,
        "tokens_in": spent.tokens_in,
        "tokens_out": spent.tokens_out,
        "uncounted": spent.uncounted,
        "cost": spent.cost,
    }


def _dataset(state: RunState) -> DatasetFacts | None:
    if state.models is None:
        return None
    return {
        "name": state.models.dataset_name,
        "fingerprint": state.models.dataset_fingerprint,
        "classes": len(state.models.class_names),
        "train_images": state.models.train_size,
        "test_images": state.models.test_size,
    }


def _train(template: ScoredTemplate | None) -> OnTraining:
    if template is None:
        return {
            "template": None,
            "train_accuracy": None,
            "train_interval": None,
            "train_images": None,
            "train_probability": None,
            "train_unnamed": None,
        }
    return {
        "template": template.text,
        "train_accuracy": template.accuracy,
        "train_interval": list(template.interval),
        "train_images": template.n,
        "train_probability": template.probability,
        "train_unnamed": template.unnamed,
    }


def _test(measured: TestMeasured | None) -> OnTestSplit:
    if measured is None:
        return {
            "test_accuracy": None,
            "test_interval": None,
            "test_images": None,
            "test_probability": None,
            "test_unnamed": None,
        }
    return {
        "test_accuracy": measured.hits / measured.n,
        "test_interval": list(wilson_interval(measured.hits, measured.n)),
        "test_images": measured.n,
        "test_probability": measured.probability,
        "test_unnamed": measured.unnamed,
    }

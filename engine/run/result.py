"""The result of a run as plain data: what ``--json`` prints and a summary is made from."""

from __future__ import annotations

import math
from typing import Any

from engine.common.statistics import wilson_interval
from engine.run.events import TestMeasured
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState


def summarise(state: RunState) -> dict[str, Any]:
    """The result so far. Accuracies are shares, 0 to 1; what was not measured is None.

    Every accuracy has its 95 % Wilson interval and the number of images it rests on beside it.
    """
    ranking = state.ranking
    best = ranking[0] if ranking else None
    seed = state.seed
    proposed = sum(s.new + s.duplicates + s.rejected for s in state.steps)
    parsed = sum(s.new + s.duplicates for s in state.steps)
    seconds = [s.seconds for s in state.steps]
    return {
        "run": state.run,
        "forked_from": {"run": state.forked.parent, "step": state.forked.step}
        if state.forked
        else None,
        "status": state.status,
        "error": state.error,
        "steps": state.steps_done,
        "seed": state.config.seed if state.config else None,
        "dataset": _dataset(state),
        "models": {"llm": state.models.llm, "vlm": state.models.vlm} if state.models else None,
        "baseline": {**_train(seed), **_test(state.test("seed"))},
        "best": {**_train(best), **_test(state.test("best"))},
        "ensemble": {
            "templates": list(t.templates) if (t := state.test("ensemble")) else [],
            **_test(t),
        },
        "replies": {
            "proposed": proposed,
            "parsed": parsed,
            "parse_rate": parsed / proposed if proposed else None,
            "duplicates": sum(s.duplicates for s in state.steps),
            "tokens": sum(s.tokens for s in state.steps),
        },
        "seconds_per_step": math.fsum(seconds) / len(seconds) if seconds else None,
        "leaderboard": [
            {
                "template": t.text,
                "train_accuracy": t.accuracy,
                "train_interval": list(t.interval),
                "margin": t.margin,
                "step": t.first.step,
                "origin": t.origin,
                "proposed_again": len(t.again),
            }
            for t in ranking
        ],
    }


def _dataset(state: RunState) -> dict[str, Any] | None:
    if state.models is None:
        return None
    return {
        "name": state.models.dataset_name,
        "fingerprint": state.models.dataset_fingerprint,
        "classes": len(state.models.class_names),
        "train_images": state.models.train_size,
        "test_images": state.models.test_size,
    }


def _train(template: ScoredTemplate | None) -> dict[str, Any]:
    if template is None:
        return {"template": None, "train_accuracy": None, "train_interval": None}
    return {
        "template": template.text,
        "train_accuracy": template.accuracy,
        "train_interval": list(template.interval),
    }


def _test(measured: TestMeasured | None) -> dict[str, Any]:
    if measured is None:
        return {"test_accuracy": None, "test_interval": None, "test_images": None}
    return {
        "test_accuracy": measured.hits / measured.n,
        "test_interval": list(wilson_interval(measured.hits, measured.n)),
        "test_images": measured.n,
    }

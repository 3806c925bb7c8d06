"""What the choice of the ensemble is worth on the demo: ``evaluation.select`` greedy and top.

    python -m benchmarks.greedy --seeds 16 --shots 1 5

Both ensembles are of the same search (steering off) and measured on the same test images, so that
nothing but the choice differs. The differences are paired by data set and seed. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from engine.common.kept import Kept
from engine.common.statistics import sign_flip_test, spread
from engine.config import RunConfig, Select
from engine.config.toml_file import load_config, with_value
from engine.data.demo_world import DEMO
from engine.data.demo_world.vocabulary import TASKS
from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.search.measuring import TestScorer
from engine.search.strategy import Search
from engine.session.loading import load_search

WAYS: tuple[Select, ...] = ("top", "greedy")


def main() -> None:
    """Print a line a run, the paired differences, and all of it as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=16)
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--shots", type=int, nargs="+", default=[1, 5])
    options.add_argument("--datasets", nargs="+", default=[f"{DEMO}{task}" for task in TASKS])
    options.add_argument(
        "--set", action="append", default=[], help="key=value of the configuration"
    )
    chosen = options.parse_args()
    kept, results = Kept(), []
    for shots in chosen.shots:
        print(f"{shots} shots, {chosen.steps} steps: test accuracy of the ensemble in percent")
        rows = []
        for dataset in chosen.datasets:
            for seed in range(chosen.first, chosen.first + chosen.seeds):
                values = [f"data.dataset={dataset}", f"seed={seed}", f"data.shots={shots}"]
                values += [f"steps={chosen.steps}", "steering.mode=off", *chosen.set]
                row = {"dataset": dataset, "seed": seed, **run(load_config("demo", values), kept)}
                shares = "  ".join(f"{way} {100 * row[way]:5.1f}" for way in WAYS)
                print(f"  {dataset:16} seed {seed:3}  {shares}", flush=True)
                rows.append(row)
        results.append({"shots": shots, **summary(rows), "runs": rows})
    print(json.dumps({"steps": chosen.steps, "results": results}))


def run(config: RunConfig, kept: Kept) -> dict[str, Any]:
    """One search, and both ensembles of it: shares of the test split, and members."""
    search = load_search(config, lambda *_: None, lambda _: None, None, kept)
    begun = ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([begun, search.models_loaded(seconds=0.0)])
    for part in (search.begin, *[search.step] * config.steps):
        for event in one_by_one(part(state)):
            state = state.apply(event)
    found: dict[str, Any] = {}
    for way in WAYS:
        measured = ensemble(search, state, way)
        found[way] = measured.hits / measured.n
        found[f"{way}_members"] = measured.templates
    return found


def ensemble(search: Search, state: RunState, way: Select) -> ev.TestMeasured:
    """The measurement that the run would end with."""
    config = with_value(search.config, "evaluation.select", way, "benchmark")
    scorer = TestScorer(config, search.fitness, time.monotonic)
    work = scorer.measured(state, state.steps_done, "ensemble")
    while True:
        try:
            next(work)
        except StopIteration as end:
            event: ev.TestMeasured = end.value[1].event
            return event


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, and greedy less top over all pairs in points, with interval and p."""
    means = {way: spread([100 * row[way] for row in rows]) for way in WAYS}
    differences = [100 * (row["greedy"] - row["top"]) for row in rows]
    told, test = spread(differences), sign_flip_test(differences)
    assert told is not None
    ends = told.interval and [round(end, 2) for end in told.interval]
    found: dict[str, float] = {way: one.mean for way, one in means.items() if one is not None}
    print(
        f"  top {found['top']:.2f}, greedy {found['greedy']:.2f}: {told.mean:+.2f} points, 95 % "
        f"{ends}, p = {test.p:.4g}, {told.n} pairs"
    )
    return {**found, "difference": told.mean, "interval": ends, "p": test.p, "pairs": told.n}


if __name__ == "__main__":
    main()

"""What the choice of the ensemble is worth on the demo: ``evaluation.select`` greedy and top.

    python -m benchmarks.greedy --seeds 16 --shots 1 5
    python -m benchmarks.greedy --preset demo-llava --seeds 5 --shots 5

Both ensembles are of the same search (steering off) and measured on the same test images, so that
nothing but the choice differs; the best template alone stands beside them. The differences are
paired by data set and seed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from engine.common.generators import result_of
from engine.common.kept import Kept
from engine.common.statistics import sign_flip_test, spread
from engine.config import RunConfig, Select
from engine.config.toml_file import load_config, with_value
from engine.data.demo_world import DEMO
from engine.data.demo_world.vocabulary import TASKS
from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.run.stopwatch import Stopwatch
from engine.search.measuring import TestScorer
from engine.search.strategy import Search
from engine.session.loading import load_search

WAYS = ("best", "top", "greedy")


def main() -> None:
    """Print a line a run, the paired differences, and all of it as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=16)
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--preset", default="demo")
    options.add_argument(
        "--steps", type=int, nargs="+", default=[5, 20], help="after which to measure"
    )
    options.add_argument("--shots", type=int, nargs="+", default=[1, 5])
    options.add_argument("--datasets", nargs="+", default=[f"{DEMO}{task}" for task in TASKS])
    options.add_argument(
        "--set", action="append", default=[], help="key=value of the configuration"
    )
    chosen = options.parse_args()
    kept, results = Kept(), []
    at = sorted(set(chosen.steps))
    for shots in chosen.shots:
        print(f"{shots} shots, after steps {at}: test accuracy of best, top and greedy in percent")
        rows: list[dict[str, Any]] = []
        for dataset in chosen.datasets:
            for seed in range(chosen.first, chosen.first + chosen.seeds):
                values = [f"data.dataset={dataset}", f"seed={seed}", f"data.shots={shots}"]
                values += [f"steps={at[-1]}", "steering.mode=off", *chosen.set]
                found = run(load_config(chosen.preset, values), at, kept)
                cells = ["  ".join(f"{100 * one[way]:5.1f}" for way in WAYS) for one in found]
                print(f"  {dataset:16} seed {seed:3}  {'   |   '.join(cells)}", flush=True)
                rows += [{"dataset": dataset, "seed": seed, **one} for one in found]
        for step in at:
            of_step = [row for row in rows if row["step"] == step]
            results.append(
                {"shots": shots, "step": step, **summary(step, of_step), "runs": of_step}
            )
    print(json.dumps({"preset": chosen.preset, "results": results}))


def run(config: RunConfig, at: list[int], kept: Kept) -> list[dict[str, Any]]:
    """One search; after each of these steps, shares of the test split."""
    search = load_search(config, lambda *_: None, lambda _: None, None, kept)
    begun = ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([begun, search.models_loaded(seconds=0.0)])
    found: list[dict[str, Any]] = []
    for step, part in enumerate((search.begin, *[search.step] * config.steps)):
        for event in one_by_one(part(state)):
            state = state.apply(event)
        if step in at:
            measured = {
                "best": measure(search, state, "best", "top"),
                "top": measure(search, state, "ensemble", "top"),
                "greedy": measure(search, state, "ensemble", "greedy"),
            }
            shares = {way: one.hits / one.n for way, one in measured.items()}
            found.append({"step": step, **shares, "members": measured["greedy"].templates})
    return found


def measure(search: Search, state: RunState, what: ev.Subject, way: Select) -> ev.TestMeasured:
    """The measurement that the run would end with."""
    config = with_value(search.config, "evaluation.select", way, "benchmark")
    scorer = TestScorer(config, search.fitness, Stopwatch())
    return result_of(scorer.measured(state, state.steps_done, what))[1].event


def summary(step: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, and greedy less top over all pairs in points, with interval and p."""
    means = {way: spread([100 * row[way] for row in rows]) for way in WAYS}
    differences = [100 * (row["greedy"] - row["top"]) for row in rows]
    told, test = spread(differences), sign_flip_test(differences)
    assert told is not None
    ends = told.interval and [round(end, 2) for end in told.interval]
    found: dict[str, float] = {way: one.mean for way, one in means.items() if one is not None}
    print(
        f"  step {step}: best {found['best']:.2f}, top {found['top']:.2f}, greedy "
        f"{found['greedy']:.2f}: {told.mean:+.2f} points over top, 95 % {ends}, p = {test.p:.4g}, "
        f"{told.n} pairs"
    )
    return {**found, "difference": told.mean, "interval": ends, "p": test.p, "pairs": told.n}


if __name__ == "__main__":
    main()

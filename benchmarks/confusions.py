"""Whether it helps to tell the LLM what the best template confuses: ``proposal.confusions``.

    python -m benchmarks.confusions --seeds 16 --steps 6
    python -m benchmarks.confusions --seeds 16 --steps 6 --datasets demo-cabinet

Searches without the line in the meta-prompt, with it, and with a placebo: a line of the same form
and length that says nothing of the task. Steering is off, so that nothing else differs; paired by
data set and seed. Test accuracies are those that a run of so many steps would end with; ``new`` is
the share of replies that are new templates. The last line is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.greedy import measure
from engine.common.kept import Kept
from engine.common.statistics import sign_flip_test, spread
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.demo_world import DEMO
from engine.data.demo_world.vocabulary import TASKS
from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.search.meta_prompt import BUILT_IN
from engine.session.loading import load_search

MEASURES = ("few-shot", "best", "ensemble", "new")


ARMS = ("without", "with", "placebo")
TRUE = (
    "The best template still takes {% for",
    "{{ pair.truth }} for {{ pair.predicted }} ({{ pair.images }} of {{ pair.of }} images)",
)
SEASONS = ["spring for autumn", "morning for evening", "day for night", "summer for winter"]
NEUTRAL = (
    "The black sculpture still takes {% for",
    f"{{{{ {SEASONS}[loop.index0 % {len(SEASONS)}] }}}} (3 of 5 images)",
)
"""As many tokens of the demo's LLM, in words that it knows; none is a class or of a template."""


def main() -> None:
    """Print a line a pair, the paired differences, and all of it as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=16)
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--preset", default="demo")
    options.add_argument("--steps", type=int, default=6)
    options.add_argument("--pairs", type=int, default=4, help="of classes that the LLM is told")
    options.add_argument("--datasets", nargs="+", default=[f"{DEMO}{task}" for task in TASKS])
    options.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    chosen = options.parse_args()
    kept, rows = Kept(), []
    print(f"in percent, {', '.join(chosen.arms)}: {' | '.join(MEASURES)}")
    with tempfile.TemporaryDirectory() as folder:
        told = [f"proposal.confusions={chosen.pairs}"]
        of_arm = {
            "without": [],
            "with": told,
            "placebo": [*told, f"proposal.template_file={placebo(Path(folder))}"],
        }
        for dataset in chosen.datasets:
            for seed in range(chosen.first, chosen.first + chosen.seeds):
                values = [f"data.dataset={dataset}", f"seed={seed}", f"steps={chosen.steps}"]
                values += ["steering.mode=off"]
                row: dict[str, Any] = {"dataset": dataset, "seed": seed}
                for arm in chosen.arms:
                    row[arm] = run(load_config(chosen.preset, [*values, *of_arm[arm]]), kept)
                rows.append(row)
                cells = [" ".join(f"{100 * row[a][m]:5.1f}" for a in chosen.arms) for m in MEASURES]
                print(f"  {dataset:16} seed {seed:3}  {'  |  '.join(cells)}", flush=True)
    differences = {}
    for other, arm in itertools.combinations(chosen.arms, 2):
        print(f"{arm} less {other}:")
        differences[f"{arm} - {other}"] = {
            m: summary(m, [100 * (row[arm][m] - row[other][m]) for row in rows]) for m in MEASURES
        }
    print(json.dumps({"preset": chosen.preset, "differences": differences, "runs": rows}))


def placebo(folder: Path) -> Path:
    """A meta-prompt with a neutral line in place of the confusions, where these would stand."""
    source = BUILT_IN.read_text(encoding="utf-8")
    for true, neutral in zip(TRUE, NEUTRAL, strict=True):
        assert true in source
        source = source.replace(true, neutral)
    path = folder / "placebo.jinja"
    path.write_text(source, encoding="utf-8")
    return path


def run(config: RunConfig, kept: Kept) -> dict[str, float]:
    """One search to its end, as shares."""
    search = load_search(config, lambda *_: None, lambda _: None, None, kept)
    begun = ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([begun, search.models_loaded(seconds=0.0)])
    for part in (search.begin, *[search.step] * config.steps):
        for event in one_by_one(part(state)):
            state = state.apply(event)
    assert state.best is not None
    best, ensemble = (measure(search, state, "best", "top"),
                      measure(search, state, "ensemble", "greedy"))  # fmt: skip
    replies = sum(step.new + step.duplicates + step.rejected for step in state.steps)
    return {
        "few-shot": state.best.accuracy,
        "best": best.hits / best.n,
        "ensemble": ensemble.hits / ensemble.n,
        "new": sum(step.new for step in state.steps) / replies,
    }


def summary(name: str, differences: list[float]) -> dict[str, Any]:
    """The mean difference in points, with interval and p."""
    told, test = spread(differences), sign_flip_test(differences)
    assert told is not None
    ends = told.interval and [round(end, 2) for end in told.interval]
    print(f"  {name}: {told.mean:+.2f} points, 95 % {ends}, p = {test.p:.4g}, {told.n} pairs")
    return {"difference": told.mean, "interval": ends, "p": test.p, "pairs": told.n}


if __name__ == "__main__":
    main()

"""What racing saves on the demo, and what it costs: images and test accuracy, with and without.

    python benchmarks/racing.py --seeds 5 --shots 5

Each seed is run twice, with ``search.racing`` and without, in one process. The last line is JSON.
With the demo's dual encoder it saves no time: what it counts is what an encoder-decoder would save.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

from engine.common.kept import Kept
from engine.common.statistics import sign_flip_test, spread
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.emitting import one_by_one
from engine.run.state import RunState
from engine.session.loading import load_search


def main() -> None:
    """Print a table, the paired differences, and all of it as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--shots", type=int, default=5)
    options.add_argument(
        "--set", action="append", default=[], help="key=value of the configuration"
    )
    chosen = options.parse_args()
    overrides = [f"steps={chosen.steps}", f"data.shots={chosen.shots}", *chosen.set]
    print(
        f"demo, {chosen.steps} steps, {chosen.shots} shots; accuracies in percent on the test split"
    )
    names = ("seed", "images", "without", "share", "best", "without", "ensemble", "without")
    print("  ".join(f"{name:>9}" for name in names))
    kept, rows = Kept(), []
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        raced, plain = (run(seed, racing, overrides, kept) for racing in (True, False))
        rows.append({"seed": seed, "racing": raced, "without": plain})
        cells = [seed, raced["images"], plain["images"]]
        shares = [100 * raced["images"] / raced["of_all"]]
        shares += [100 * one[name] for name in ("best", "ensemble") for one in (raced, plain)]
        found = [*(f"{n:>9,}" for n in cells), *(f"{share:>9.1f}" for share in shares)]
        print("  ".join(found), flush=True)
    result = summary(rows)
    print(
        f"{100 * result['share']:.1f} % of the images; ensemble {result['ensemble']:+.2f} points "
        f"{result['interval']}, p = {result['p']:.3f}; best {result['best']:+.2f} points"
    )
    print(json.dumps({"shots": chosen.shots, "steps": chosen.steps, **result, "runs": rows}))


def run(seed: int, racing: bool, overrides: list[str], kept: Kept) -> dict[str, Any]:
    """One run of the demo; accuracies are shares of the test split."""
    racing_on = f"search.racing={'true' if racing else 'false'}"
    config = load_config("demo", [*overrides, f"seed={seed}", racing_on])
    search = load_search(config, lambda *_: None, lambda _: None, None, kept)
    begun = ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([begun, search.models_loaded(seconds=0.0)])
    for part in (search.begin, *[search.step] * config.steps, search.finish):
        for event in one_by_one(part(state)):
            state = state.apply(event)
    best, ensemble = state.test("best"), state.test("ensemble")
    assert best is not None and ensemble is not None
    images, of_all = state.images_scored
    return {
        "images": images,
        "of_all": of_all,
        "templates": len(state.templates),
        "on_all": len([t for t in state.templates if not state.is_partial(t)]),
        "best": best.hits / best.n,
        "ensemble": ensemble.hits / ensemble.n,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all seeds: the share of images, and paired differences in points with the test's p."""

    def less(name: str) -> list[float]:
        return [100 * (row["racing"][name] - row["without"][name]) for row in rows]

    differences = spread(less("ensemble"))
    assert differences is not None
    images, of_all = (sum(row["racing"][name] for row in rows) for name in ("images", "of_all"))
    return {
        "share": images / of_all,
        "of_images_without": images / sum(row["without"]["images"] for row in rows),
        "ensemble": differences.mean,
        "interval": differences.interval and [round(end, 2) for end in differences.interval],
        "p": sign_flip_test(less("ensemble")).p,
        "best": statistics.fmean(less("best")),
    }


if __name__ == "__main__":
    main()

"""What comes of the demo with each value of ``proposal.accept``: the share of replies that are
templates, the share that are new ones, and how good the best and the ensemble are. No timings.

python benchmarks/accept.py [--steps 5] [--seeds 4] [--set key=value ...]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import get_args

from engine.common.kept import Kept
from engine.config.toml_file import load_config
from engine.prompts.message import Accept
from engine.run.state import RunState
from engine.session.local import LocalSession


@dataclass(frozen=True)
class Run:
    """What came of one run; shares from 0 to 1."""

    accepted: float  # of the replies
    new: float  # of the replies
    best: float  # few-shot accuracy of the best template
    best_test: float
    ensemble_test: float


def measured(state: RunState) -> Run:
    """The figures of a finished run."""
    replies = sum(s.new + s.duplicates + s.rejected for s in state.steps)
    best, ensemble = state.test("best"), state.test("ensemble")
    if best is None or ensemble is None:
        raise SystemExit(f"a run did not finish: {state.error}")
    return Run(
        accepted=1 - sum(s.rejected for s in state.steps) / replies,
        new=sum(s.new for s in state.steps) / replies,
        best=state.ranking[0].accuracy,
        best_test=best.hits / best.n,
        ensemble_test=ensemble.hits / ensemble.n,
    )


def main() -> None:
    """Run the demo with each value and each seed, and print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    kept = Kept()
    print(f"{options.steps} steps, {options.seeds} seeds: {' '.join(options.overrides)}")
    print(f"{'':10} accepted    new   best: train   test   ensemble: test")
    for accept in get_args(Accept):
        runs = []
        for seed in range(options.seeds):
            overrides = [f"steps={options.steps}", f"seed={seed}", f"proposal.accept={accept}"]
            with tempfile.TemporaryDirectory() as folder:
                config = load_config("demo", [*overrides, *options.overrides])
                session = LocalSession.create(config, Path(folder) / "run", kept=kept)
                session.unattended = True
                session.start()
                session.wait()
                runs.append(measured(session.state))
        means = {name: fmean(getattr(r, name) for r in runs) for name in Run.__annotations__}
        print(
            f"{accept:10} {means['accepted']:8.1%} {means['new']:6.1%} {means['best']:13.1%} "
            f"{means['best_test']:6.1%} {means['ensemble_test']:16.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()

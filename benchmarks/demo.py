"""The offline default as users run it: accuracy, parse rate and times over seeds.

    python benchmarks/demo.py                      # seeds 0 to 4, with steering and without
    python benchmarks/demo.py --dataset demo-funfair --seeds 3
    python benchmarks/demo.py --vlm llava --set vlm.answer=embedding

Each run is a process of its own, so that the seconds include importing and loading.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the demo for each seed and mode, and print a table with medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--dataset", default="demo-cabinet")
    options.add_argument("--vlm", default="clip")
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options.add_argument("--modes", nargs="+", default=["last-token", "off"])
    chosen = options.parse_args()
    asked = ["--steps", str(chosen.steps), "--dataset", chosen.dataset, "--vlm", chosen.vlm]
    asked += [word for value in chosen.set for word in ("--set", value)]
    header = ("steering", "seed", "seed test", "best test", "ensemble test", "gain", "parsed")
    print(" ".join(asked))
    print(f"{chosen.dataset}, {chosen.steps} steps of 10 candidates, 5 shots")
    print("  ".join(f"{name:>13}" for name in (*header, "s/step", "first step", "total s")))
    for mode in chosen.modes:
        rows = []
        for seed in range(chosen.seeds):
            rows.append(run(seed, mode, asked))
            print_row(mode, str(seed), rows[-1])
        medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        print_row(mode, "median", medians)


def run(seed: int, mode: str, asked: list[str]) -> dict[str, float]:
    """One run; accuracies and shares in percent, times in seconds from the command on."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "glov_tui", "demo", "--headless", "--json"]
        command += ["--seed", str(seed), *asked]
        command += ["--set", f"steering.mode={mode}", "--run-dir", f"{folder}/run"]
        begun = time.time()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        total = time.time() - begun
        result: dict[str, Any] = json.loads(done.stdout)
        journal = (Path(folder) / "run" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in journal]
    first = next(e["time"] for e in events if e["kind"] == "step-started")
    return {
        "baseline": 100 * result["baseline"]["test_accuracy"],
        "best": 100 * result["best"]["test_accuracy"],
        "ensemble": 100 * result["ensemble"]["test_accuracy"],
        "gain": 100 * (result["ensemble"]["test_accuracy"] - result["baseline"]["test_accuracy"]),
        "parsed": 100 * result["replies"]["parse_rate"],
        "per step": result["seconds_per_step"],
        "first step": first - begun,
        "total": total,
    }


def print_row(mode: str, seed: str, row: dict[str, float]) -> None:
    """One line of the table."""
    cells = [f"{value:>13.2f}" for value in row.values()]
    print("  ".join([f"{mode:>13}", f"{seed:>13}", *cells]), flush=True)


if __name__ == "__main__":
    main()

"""Make the demo's weights again.

    python -m engine.demo.training.train [clip|llm|all] [--output FOLDER]

Everything is made from nothing on the CPU, reproducibly on one machine with the same versions.
The two models know nothing of each other, so `all` trains them side by side, each in a process of
its own with one thread: two cores are busy until the slower is done.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"
STAGES = ("clip", "llm")


def train_stage(stage: str, output: Path) -> None:
    """Train one model in this process and write it to output/<stage>/."""
    # Imported here: each takes seconds, and a stage needs only its own.
    if stage == "clip":
        from engine.demo.training import train_clip

        train_clip.main(output / "clip")
    else:
        from engine.demo.training import train_llm

        train_llm.main(output / "llm")


def train_all(output: Path) -> int:
    """Train both in processes of their own; 0 if both end well, else the first bad exit code."""
    # Libraries read the number of threads when they are imported, so it goes by the environment.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "engine.demo.training.train", "--output", str(output)]
    running = [subprocess.Popen([*command, stage], env=environment) for stage in STAGES]
    try:
        codes = [process.wait() for process in running]
    except BaseException:
        for process in running:
            process.terminate()
        raise
    return next((code for code in codes if code != 0), 0)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m engine.demo.training.train",
        description="Train the models of the offline default.",
    )
    parser.add_argument("stage", choices=(*STAGES, "all"), nargs="?", default="all")
    parser.add_argument(
        "--output", type=Path, default=WEIGHTS, help="folder of the weights (default: the package)"
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    code = 0
    if arguments.stage == "all":
        code = train_all(arguments.output)
    else:
        train_stage(arguments.stage, arguments.output)
    print(f"{arguments.stage}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

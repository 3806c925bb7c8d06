"""Make the demo's weights again.

    python -m engine.demo.training.train [STAGE|all] [--output FOLDER] [--kept FOLDER]

Everything is made from nothing on the CPU, reproducibly on one machine with the same versions. The
stages are `clip`, `llm`, `questioner` (which goes on from `llm`), `llava` and `embedder`. Models
that know nothing of each other are trained side by side by `all`, each in a process of its own
with one thread: two cores are busy until the slower is done.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"
TOGETHER = (("clip", "llm"), ("llava", "questioner"), ("embedder",))
STAGES = tuple(stage for stages in TOGETHER for stage in stages)


def train_stage(stage: str, output: Path, kept: Path) -> None:
    """Train one model in this process and write it to output/<stage>/.

    `kept` is where `llava` leaves what its own stages made, and finds it again.
    """
    # Imported here: each takes seconds, and a stage needs only its own.
    if stage == "clip":
        from engine.demo.training import train_clip

        train_clip.main(output / "clip")
    elif stage == "llm":
        from engine.demo.training import train_llm

        train_llm.main(output / "llm")
    elif stage == "questioner":
        from engine.demo.training import train_questioner

        train_questioner.main(output / "questioner", base=output / "llm")
    elif stage == "llava":
        from engine.demo.training import train_llava

        train_llava.main(output / "llava", kept)
    else:
        from engine.demo.training import make_embedder

        make_embedder.main(output / "embedder")


def train_all(output: Path, kept: Path) -> int:
    """Train all in processes of their own; 0 if all end well, else the first bad exit code."""
    codes = (_train_together(stages, output, kept) for stages in TOGETHER)
    return next((code for code in codes if code != 0), 0)


def _train_together(stages: Sequence[str], output: Path, kept: Path) -> int:
    # Libraries read the number of threads when they are imported, so it goes by the environment.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "engine.demo.training.train", "--output", str(output)]
    command += ["--kept", str(kept)]
    running = [subprocess.Popen([*command, stage], env=environment) for stage in stages]
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
    parser.add_argument(
        "--kept", type=Path, help="folder for what a stage may go on from (default: a new one)"
    )
    arguments = parser.parse_args()
    kept = arguments.kept or Path(tempfile.mkdtemp(prefix="glov-training-"))
    started = time.monotonic()
    code = 0
    if arguments.stage == "all":
        code = train_all(arguments.output, kept)
    else:
        train_stage(arguments.stage, arguments.output, kept)
    print(f"{arguments.stage}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""What neighbours cost: steps and loading, alone and beside busy processes, by how threads wait.

    python -m benchmarks.busy                          # at most 8 minutes, on two cores
    python -m benchmarks.busy --only demo --arm spin=50 --arm spin=3000,threads=1
    python -m benchmarks.busy --realtime               # alone only, whatever else runs (for root)

Each arm is a process of its own with models loaded, and all take turns step by step, first with
nobody beside them and then beside four processes that only count, on the same two cores. Arms:

- before: as OpenMP has it (libgomp: 300,000 turns, a thread per core); all ratios are to its time
- glov: what engine.models.threads chooses
- others: settings of the environment, as ``threads=1``, ``spin=1000`` or ``wait=passive``

The demo's step is a whole one; that of SmolLM2 (``--llm``, or where tests/support/real_models.py
has it) is one with 10 replies, ended after some seconds: the time of 20 tokens follows from the
time to the first and the median of the others. Goals: glov alone at most 1.1 times before, and
beside four neighbours at most 4 times alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import json
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEMO_ARMS = ("before", "glov", "threads=1", "wait=passive", "spin=100", "spin=300", "spin=3000")
LARGE_ARMS = ("before", "glov", "threads=1", "wait=passive", "spin=300")
LOADED_BUSY = ("before", "glov")
TOKENS, UNIT_SECONDS = 20, 8.0
LOADING_CEILING_SECONDS, STEP_CEILING_SECONDS = 90.0, 60.0
OVERRIDES = ("proposal.attempts=1", "proposal.min_new=0", "proposal.patience=0", "steps=1")


@dataclass
class Arm:
    """A process with loaded models, and the seconds that were measured in it."""

    name: str
    process: subprocess.Popen[str]
    loading: float = float("nan")
    loading_busy: float = float("nan")
    alone: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def read(self, seconds: float) -> float:
        """The number that it says next; infinity if it says none within ``seconds``."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return float("inf")
        said = self.process.stdout.readline()
        if not said:
            raise SystemExit(f"the process of {self.name} has ended")
        return float(said)

    def step(self) -> float:
        """Seconds of one step; infinity where it takes too long, and ever after."""
        assert self.process.stdin is not None
        if self.process.poll() is not None:
            return float("inf")
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds = self.read(STEP_CEILING_SECONDS)
        if seconds == float("inf"):
            self.process.kill()
        return seconds


def environment(arm: str, cores: int) -> dict[str, str]:
    """The environment of an arm's process."""
    ours = ("OMP_", "GOMP_", "KMP_", "MKL_NUM")
    result = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    result |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    if arm == "glov":
        return result
    result |= {"OMP_NUM_THREADS": str(cores), "GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}
    for setting in arm.split(",") if arm != "before" else ():
        name, _, value = setting.partition("=")
        match name:
            case "threads":
                result["OMP_NUM_THREADS"] = value
            case "spin":
                result["GOMP_SPINCOUNT"] = value
            case "wait":
                del result["GOMP_SPINCOUNT"], result["KMP_BLOCKTIME"]
                result["OMP_WAIT_POLICY"] = value
            case _:
                raise SystemExit(f"--arm {arm}: write it as threads=N, spin=N or wait=passive")
    return result


def start(arm: str, llm: str | None, cores: int) -> Arm:
    """Start an arm and wait until its models are loaded."""
    command = [sys.executable, "-m", "benchmarks.busy", "--child", "--llm", llm or ""]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(arm, cores),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    started = Arm(arm, process)
    started.loading = started.read(LOADING_CEILING_SECONDS)
    return started


# -- the child --------------------------------------------------------------------------------


def child(llm: str | None) -> None:
    """Load the models, say how long that took, and make a step for each line that comes in."""
    begun = time.perf_counter()
    from engine.config.toml_file import load_config
    from engine.run import events as ev
    from engine.run.emitting import one_by_one
    from engine.run.state import RunState
    from engine.search.proposing import ProposingSearch
    from engine.session.loading import load_search

    config = load_config("demo", [*OVERRIDES, *([f"llm.model={llm}"] if llm else [])])
    search = load_search(config, lambda *_: None, lambda _: None)
    assert isinstance(search, ProposingSearch)
    print(time.perf_counter() - begun, flush=True)
    begins = ev.RunStarted(run="busy", config=config.model_dump(mode="json"), versions={})
    state = RunState().apply(begins)
    state = state.apply(search.models_loaded(seconds=0.0))
    for event in one_by_one(search.begin(state)):
        state = state.apply(event)
    for _line in sys.stdin:
        search.scores.clear()
        print(one_step(search, state, whole=llm is None), flush=True)


def one_step(search: Any, state: Any, whole: bool) -> float:
    """Seconds of a step, or of one with ``TOKENS`` tokens judged by those of some seconds."""
    from engine.run.emitting import one_by_one

    begun = time.perf_counter()
    came: list[float] = []
    with contextlib.closing(one_by_one(search.step(state))) as events:
        for event in events:
            if event.kind == "tokens-streamed":
                came.append(time.perf_counter() - begun)
                enough = len(came) >= TOKENS or came[-1] > UNIT_SECONDS
                if not whole and enough and len(came) > 3:
                    gaps = [b - a for a, b in itertools.pairwise(came)]
                    return came[0] + (TOKENS - 1) * statistics.median(gaps)
    return time.perf_counter() - begun


# -- the measurement --------------------------------------------------------------------------


@contextlib.contextmanager
def neighbours(number: int) -> Iterator[None]:
    """So many processes that only count, while this is open."""
    count = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(count) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def take_turns(arms: Sequence[Arm], rounds: int, busy: bool, until: float) -> None:
    """Each arm a step, round after round, while there is time."""
    for _ in range(rounds):
        for arm in arms:
            if time.monotonic() > until and (arm.busy if busy else arm.alone):
                continue
            (arm.busy if busy else arm.alone).append(arm.step())


def measure(
    what: str, llm: str | None, names: Sequence[str], options: argparse.Namespace, until: float
) -> None:
    """Measure all arms and print their table."""
    cores = options.cores
    arms = [start(name, llm, cores) for name in names]
    half = time.monotonic() + (until - time.monotonic()) / 3
    try:
        for arm in arms:
            arm.step()  # what is only done once
        take_turns(arms, options.rounds, False, half)
        load = os.getloadavg()[0]
        if not options.realtime:
            with neighbours(options.neighbours):
                for arm in arms:
                    if arm.name in LOADED_BUSY and llm is not None:
                        again = start(arm.name, llm, cores)
                        arm.loading_busy = again.loading
                        again.process.kill()
                take_turns(arms, max(2, options.rounds // 2), True, until)
    finally:
        for arm in arms:
            arm.process.kill()
            arm.process.wait()
    print_table(what, arms, options, load)


def print_table(what: str, arms: Sequence[Arm], options: argparse.Namespace, load: float) -> None:
    """Medians, their ranges, and ratios to what was before."""

    def median(values: Sequence[float]) -> float:
        return statistics.median(values) if values else float("nan")

    before = median(arms[0].alone)
    print(f"\n{what}, {options.cores} cores, load average {load:.1f} with nobody beside")
    print(
        f"{'arm':24}{'loading':>9}{'busy':>7}{'alone s':>10}{'fastest':>9}{'to before':>11}"
        f"{'busy s':>9}{'fastest':>9}{'to alone':>10}{'to before':>11}"
    )
    for arm in arms:
        alone, busy = median(arm.alone), median(arm.busy)
        print(
            f"{arm.name:24}{arm.loading:9.1f}{arm.loading_busy:7.1f}{alone:10.3f}"
            f"{min(arm.alone, default=float('nan')):9.3f}{alone / before:11.2f}{busy:9.3f}"
            f"{min(arm.busy, default=float('nan')):9.3f}{busy / alone:10.1f}{busy / before:11.1f}",
            flush=True,
        )
    numbers = {arm.name: {"alone": arm.alone, "busy": arm.busy} for arm in arms}
    print(json.dumps({what: numbers}, default=str))


def found_llm(given: str | None) -> str | None:
    """The folder of SmolLM2, None where there is none."""
    if given is not None:
        return given
    folder: Path = importlib.import_module("tests.support.real_models").models_folder() / "smollm2"
    return str(folder) if folder.is_dir() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--llm", help="folder of a model of some 100 M parameters")
    parser.add_argument("--only", choices=("demo", "large"))
    parser.add_argument("--arm", action="append", help="further or, with --only, other settings")
    parser.add_argument("--neighbours", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=7.0, help="no round begins after them")
    parser.add_argument("--realtime", action="store_true", help="before all else; alone only")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.llm or None)
        return
    begun = time.monotonic()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    arms = tuple(options.arm or ())
    seconds = 60 * options.minutes
    if options.only != "large":
        names = ("before", "glov", *arms) if options.only and arms else (*DEMO_ARMS, *arms)
        share = 1.0 if options.only else 0.4
        measure("a step of the demo", None, names, options, begun + share * seconds)
    llm = found_llm(options.llm)
    if options.only != "demo" and llm is None:
        print("SmolLM2 is not there: python tests/support/real_models.py makes it, or give --llm")
    elif options.only != "demo":
        names = ("before", "glov", *arms) if options.only and arms else (*LARGE_ARMS, *arms)
        options.rounds = min(options.rounds, 3)
        what = f"a step of {Path(str(llm)).name}, {TOKENS} tokens"
        measure(what, llm, names, options, begun + seconds)
    print(f"\n{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()

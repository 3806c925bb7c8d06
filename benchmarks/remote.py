"""What screens that are attached, or others at the socket, cost the engine.

    python benchmarks/remote.py              # runs of the demo, one per kind, in turns

Each run has 6 steps; the other side of its socket is a process of its own. Printed, for each kind:
the wall time of a step and the processor time of the engine's whole process over it, each with the
median of its ratios to the run without a socket of the same turn; and the processor time of the
socket's thread as a share of the step. Where cores are shared the ratios are as uneven as whatever
else runs, the flooding process itself included; the share is not.

The journal begins with 800 KB of edits that were taken back: more than the system keeps for one
that does not read.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.remote import address

if TYPE_CHECKING:
    from engine.common.kept import Kept
    from engine.run import events as ev
    from engine.run.state import RunState

NONE = "no socket"
KINDS = {
    NONE: "",
    "a socket, nobody there": "",
    "a screen that reads": "read",
    "a reader that stalls": "stall",
    "a flood of garbage": "garbage",
    "a flood of commands": "commands",
    "a flood of connections": "connect",
}
JOIN = b'{"kind":"join","name":"benchmark"}\n'
FLOODS = {
    "garbage": b"\xff{]" * 1000 + b"\n",
    "commands": b'{"kind":"pause"}\n' * 1000,  # of one who does not hold the controls
}


class Cost(NamedTuple):
    """Of a step, in seconds."""

    wall: float
    processor: float
    socket: float  # processor time of its thread


# -- the other side, in a process of its own -----------------------------------------------------


def other_side(kind: str, folder: Path) -> None:
    """Do this to a run's socket until killed; says a line when it has begun."""
    with address.connect(folder, 10.0) as connection:
        connection.sendall(JOIN)
        connection.recv(1)
        print("begun", flush=True)
        if kind == "stall":
            time.sleep(3600)
        while kind == "read" and connection.recv(1 << 16):
            pass
        if kind == "commands":
            _flood(folder, FLOODS[kind])
    while kind == "garbage":
        with contextlib.suppress(OSError):
            _flood(folder, FLOODS[kind])
    while kind == "connect":
        with contextlib.suppress(OSError), address.connect(folder, 10.0) as connection:
            connection.send(JOIN)


def _flood(folder: Path, data: bytes) -> None:
    with address.connect(folder, 10.0) as connection:
        connection.sendall(JOIN)
        while True:
            connection.sendall(data)


@contextlib.contextmanager
def beside(kind: str, folder: Path) -> Iterator[None]:
    """With the other side at work."""
    command = [sys.executable, __file__, "--other-side", kind, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and process.stdout.readline(), f"no {kind}"
        yield
    finally:
        process.kill()
        process.communicate()


# -- the engine ----------------------------------------------------------------------------------


def step_cost(name: str, kept: Kept) -> Cost:
    """The median over the steps of one run."""
    from engine.config.toml_file import load_config
    from engine.remote.server import ControlServer
    from engine.run import events as ev
    from engine.run.commands import MakeEdit, UndoEdit
    from engine.run.edits import SetNextPrompt
    from engine.session.local import LocalSession

    costs: list[Cost] = []
    begun = Cost(0.0, 0.0, 0.0)

    def on_event(event: ev.Event, _: RunState) -> None:
        nonlocal begun
        now = Cost(time.perf_counter(), time.process_time(), _socket_seconds())
        if isinstance(event, ev.StepStarted):
            begun = now
        elif isinstance(event, ev.StepFinished):
            costs.append(Cost(*(a - b for a, b in zip(now, begun, strict=True))))

    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        config = load_config("demo", ["steps=6", "data.shots=1"])
        session = LocalSession.create(config, Path(place) / "run", on_event, kept)
        for _ in range(4):
            edit = SetNextPrompt(system="", user="x" * 200_000)
            session.send(MakeEdit(edit=edit))
            session.send(UndoEdit())
        if name != NONE:
            stack.enter_context(ControlServer(session))
        if KINDS[name]:
            stack.enter_context(beside(KINDS[name], session.folder))
        session.start()
        session.wait()
        assert session.state.status == "finished", session.state.error
    wall, processor, in_socket = zip(*costs, strict=True)
    # The mean of the last: it works in bursts.
    return Cost(statistics.median(wall), statistics.median(processor), statistics.fmean(in_socket))


def _socket_seconds() -> float:
    for thread in threading.enumerate():
        if thread.name == "glov-socket" and thread.ident is not None:
            return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return 0.0


def main() -> None:
    """Print the costs of all kinds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--other-side", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.other_side:
        kind, folder = arguments.other_side
        other_side(kind, Path(folder))
        return
    import torch

    from engine.common.kept import Kept

    torch.set_num_threads(1)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    kept = Kept()
    costs: dict[str, list[Cost]] = {name: [] for name in KINDS}
    for turn in range(arguments.runs + 1):
        for name in KINDS if turn % 2 else reversed(KINDS):
            cost = step_cost(name, kept)
            if turn:  # the first warms up
                costs[name].append(cost)
    base = costs[NONE]
    print(f"{'':24}  wall of a step          processor time of a step   socket's thread")
    for name, found in costs.items():
        row = f"{name:24}"
        for field in ("wall", "processor"):
            value = statistics.median(getattr(cost, field) for cost in found)
            ratios = [
                getattr(cost, field) / getattr(without, field)
                for cost, without in zip(found, base, strict=True)
            ]
            row += f"{1000 * value:8.1f} ms {statistics.median(ratios):7.3f}     "
        share = statistics.median(cost.socket / cost.wall for cost in found)
        print(f"{row}{share:10.1%}")


if __name__ == "__main__":
    main()

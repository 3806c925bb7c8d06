"""How many threads do the arithmetic of models on the CPU, and how they wait for each other.

Threads of OpenMP meet at the end of every matrix product. By default the early ones spin there for
up to 20 ms (libgomp: 300,000 turns; Intel's and LLVM's: 200 ms): on a machine with nobody else on
it that is soon over, but where the late one has lost its core to a neighbour, the others burn what
is left, and a step takes ten times as long (``benchmarks/busy.py``). A few turns, and then sleep,
cost next to nothing in the one case and most of the loss goes in the other.

The number of threads follows from the machine and the models, not from the load of the moment:
sums in another order may round to another reply, and a run that is resumed shall not differ.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.common.wording import counted
from engine.models.control_groups import cpu_quota

if TYPE_CHECKING:
    from torch import nn

SPINS = 1000
"""Turns of libgomp, before a thread that waits sleeps: 70 microseconds on a Xeon of 2023."""

PARAMETERS_PER_THREAD = 16_000_000
"""Less work than this is done sooner than another thread is woken."""

FEWEST = 2
"""Threads of the smallest model, where there are so many cores: one costs the demo 15 %."""

_OWN_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_OWN_NUMBER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

_given = 0  # threads that torch was given in this process


def prepare() -> None:
    """Choose how threads wait; before torch is imported, since OpenMP reads it when it is loaded.

    What the user has set for himself stays as it is.
    """
    if not any(os.environ.get(name) for name in _OWN_WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
        os.environ["KMP_BLOCKTIME"] = "1"  # ms, of Intel's and LLVM's OpenMP
    # One prompt at a time is tokenized: a pool of threads for it only waits.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def fit(*models: nn.Module) -> None:
    """Give torch the threads that the largest of these and of earlier models can use.

    What is on a GPU needs none. ``OMP_NUM_THREADS``, ``MKL_NUM_THREADS`` and a number that was set
    elsewhere go before. Without a model it is for what comes before: reading weights.
    """
    global _given
    import torch

    if own_number() or torch.get_num_threads() not in (_given, _cores_by_affinity()):
        return
    sizes = [sum(p.numel() for p in m.parameters() if p.device.type == "cpu") for m in models]
    _given = max(_given, threads_for(max(sizes, default=0), usable_cores()))
    torch.set_num_threads(_given)


def own_number() -> str:
    """What the user has set for the number of threads, as ``NAME=VALUE``; empty for nothing."""
    return _environment(_OWN_NUMBER)


def threads_for(parameters: int, cores: int) -> int:
    """Threads for a model with so many parameters on so many cores."""
    return min(cores, max(FEWEST, parameters // PARAMETERS_PER_THREAD))


def describe() -> str:
    """What was chosen, in a few words for the journal; empty before torch is there."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ""
    number, cores = torch.get_num_threads(), usable_cores()
    said = f"{counted(number, 'thread')} on {counted(cores, 'core')}"
    return ", ".join([said, *filter(None, (own_number(), waiting()))])


def describe_choice() -> str:
    """What would be chosen here for a run, for ``glov doctor``."""
    few, many = (threads_for(size, usable_cores()) for size in (0, 10**12))
    number = own_number() or (f"{few} to {many}, by the models' size" if few < many else str(few))
    return ", ".join(filter(None, (number, waiting())))


def waiting() -> str:
    """How threads wait, as ``NAME=VALUE``; empty where that is left to OpenMP."""
    return _environment(_OWN_WAITING)


def _environment(names: Sequence[str]) -> str:
    return next((f"{name}={os.environ[name]}" for name in names if os.environ.get(name)), "")


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cores() -> int:
    """Cores that this process may use: by its affinity, and by the quota of its control groups."""
    cores = _cores_by_affinity()
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.floor(quota + 0.5)))

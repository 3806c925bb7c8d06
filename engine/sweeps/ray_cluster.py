"""Ray, as glov needs it: connected to quietly, its nodes looked at, its errors in words.

Ray is imported when it is used. What it prints of its own goes nowhere: its logs are in its
session's folder, those of a trial in the trial's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine.common.errors import UserError
from engine.common.wording import listed
from engine.storage.lock import Owner, lives

INSTALL = "pip install 'glov-tui[ray]'"
REACH_SECONDS = 10.0  # for a connection to the head of a cluster
ANSWER_SECONDS = 120.0  # for a node to start a process and say what it sees

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this is to be the default
}


@dataclass(frozen=True)
class Needs:
    """What a trial takes of a node: CPUs, and GPUs or a share of one."""

    cpus: float = 1.0
    gpus: float = 0.0

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


@dataclass(frozen=True)
class Node:
    """A node that is alive, with all that it has, in use or not."""

    id: str
    host: str
    cpus: float
    gpus: float

    def slots(self, needs: Needs) -> int:
        """How many trials it has room for at once."""
        room = [self.cpus / needs.cpus] if needs.cpus else []
        if needs.gpus >= 1:
            room.append(self.gpus / needs.gpus)
        elif needs.gpus:
            room.append(int(self.gpus) * int(1 / needs.gpus + 1e-6))  # a trial is on one GPU
        return int(min(room, default=1.0) + 1e-6)


@dataclass(frozen=True)
class Seen:
    """What a process on a node says of it."""

    host: str
    version: str  # of glov
    token: str  # in the sweep's folder; empty where there is none


def import_ray() -> Any:
    """The library, told to keep quiet.

    Raises:
        UserError: if it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError(f"--backend ray needs Ray ({error}): {INSTALL}") from None
    return ray


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster, or with one of this machine's own while the context is entered.

    One that this process has connected to before is used as it is, and left so.

    Args:
        address: of a cluster: ``HOST:PORT``, or ``auto`` for the one that this machine is part of;
            None for what RAY_ADDRESS names, else one of this machine's own.

    Raises:
        UserError: if there is none, or one of another version.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_address(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == "local":
        quiet["include_dashboard"] = False
    # Ray prints what its nodes complain of on standard output, where a result may be expected.
    with contextlib.redirect_stdout(io.StringIO()):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is started outlives a terminal
        try:
            ray.init(address=address, **quiet)
        except (Exception, SystemExit) as error:
            with contextlib.suppress(Exception):
                ray.shutdown()
            raise UserError(_why_unconnected(address, error)) from error
        finally:
            signal.signal(signal.SIGHUP, before)
        try:
            yield ray
        finally:
            ray.shutdown()


def _check_address(address: str) -> None:
    """See that there is something at an address, which Ray would look for for minutes."""
    if address in ("local", "auto"):
        return
    if "://" in address:
        raise UserError(
            f"--address {address}: a sweep is driven from a machine of the cluster; run glov "
            "there, with --address auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(
            f"--address {address}: write HOST:PORT as `ray start --head` says it, or auto for the "
            "cluster that this machine is part of"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({reason}). `ray status` on the "
            "cluster's head says its address; without --address glov uses this machine alone"
        ) from error


def _why_unconnected(address: str, error: BaseException) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    if "ersion mismatch" in said:
        return (
            f"--address {address}: the cluster has another version of Ray or Python than this "
            f"machine ({said[:300]}); both must be the same"
        )
    if address == "auto":
        return (
            "--address auto: this machine is part of no Ray cluster that runs; `ray start` makes "
            "it one, and without --address glov uses this machine alone"
        )
    return f"--address {address}: Ray can't be used: {said[:500]}"


def living_nodes(ray: Any) -> list[Node]:
    """The nodes that are alive now."""
    return [
        Node(
            node["NodeID"],
            node["NodeManagerHostname"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def check_room(nodes: Sequence[Node], needs: Needs) -> list[Node]:
    """The nodes that can run a trial.

    Raises:
        UserError: if none can, ever.
    """
    able = [node for node in nodes if node.slots(needs)]
    if able:
        return able
    most_cpus, most_gpus = (
        max((getattr(n, w) for n in nodes), default=0) for w in ("cpus", "gpus")
    )
    if needs.gpus > most_gpus:
        option = f"--gpus-per-trial {needs.gpus:g}"
    elif needs.cpus > most_cpus:
        option = f"--cpus-per-trial {needs.cpus:g}"
    else:
        option = f"--cpus-per-trial {needs.cpus:g} --gpus-per-trial {needs.gpus:g}"
    has = listed([f"{n.host} has {n.cpus:g} CPUs and {n.gpus:g} GPUs" for n in nodes[:5]] or ["-"])
    more = f", and {len(nodes) - 5} more" if len(nodes) > 5 else ""
    raise UserError(
        f"{option}: no node of the cluster has that much, so no trial could ever begin ({has}{more}"
        "). Ask for less, or add a node"
    )


def look_around(token: Path) -> Seen:
    """What this process sees; runs on a node."""
    try:
        found = token.read_text()
    except OSError:
        found = ""
    return Seen(socket.gethostname(), engine.__version__, found)


def check_nodes(ray: Any, nodes: Sequence[Node], token: Path) -> None:
    """See that every node has this glov, and the folder of the sweep.

    Raises:
        UserError: naming the nodes that have not.
    """
    asked = [(node, _on(ray, node, look_around).remote(token)) for node in nodes]
    expected, unseen = token.read_text(), []
    for node, answer in asked:
        seen = _answer(ray, node, answer)
        if seen.version != engine.__version__:
            raise UserError(
                f"{node.host} has glov {seen.version}, this machine {engine.__version__}: runs of "
                "one sweep must be of one version"
            )
        if seen.token != expected:
            unseen.append(node.host)
    if unseen:
        raise UserError(
            f"{listed(unseen)} can't see {token.parent}: the folder of a sweep must be on a file "
            "system that all nodes share, under the same path. Give a --sweep-dir on one (or set "
            "GLOV_RUNS_DIR to it)"
        )


def is_dead(ray: Any, nodes: Sequence[Node], owner: Owner) -> bool:
    """Whether a process is known to be dead: by a node of its host, that is asked."""
    node = next((node for node in nodes if node.host == owner.host), None)
    return node is not None and not _answer(ray, node, _on(ray, node, lives).remote(owner.pid))


def _on(ray: Any, node: Node, function: Any) -> Any:
    """A function as a task for one node, however busy that is."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
    task = ray.remote(max_retries=2, num_cpus=0)(function)
    return task.options(scheduling_strategy=where)


def _answer(ray: Any, node: Node, answer: Any) -> Any:
    try:
        return ray.get(answer, timeout=ANSWER_SECONDS)
    except ray.exceptions.GetTimeoutError:
        raise UserError(
            f"{node.host}, a node of the cluster, gave no answer in {ANSWER_SECONDS:.0f} s"
        ) from None
    except ray.exceptions.RayError as error:
        raise UserError(f"{node.host}: {why_unable(error)}") from error


def why_unable(error: BaseException) -> str:
    """Why a task could not be done, as far as that is no run's own failure."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, ModuleNotFoundError) or "ModuleNotFoundError" in str(error):
        return f"a process there can't import glov or what it needs; install it there: {INSTALL}"
    last = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {last[-1] if last else 'no reason was given'}"[:500]

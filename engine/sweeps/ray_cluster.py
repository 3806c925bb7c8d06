"""The cluster of a sweep: connected to, its nodes looked at.

How it is kept quiet is ``engine.common.quiet_ray``'s.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine.common.errors import UserError
from engine.common.quiet_ray import connect, import_ray, why_unable
from engine.common.wording import listed
from engine.storage.lock import Owner, lives

ANSWER_SECONDS = 120.0  # for a node to start a process and say what it sees


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
    ray = import_ray("--backend ray")
    if ray.is_initialized():
        yield ray
        return
    connect(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


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

"""Images of a run spread over processes of a Ray cluster, each of which holds a shard of them.

A shard is every n-th image. This process holds the first; the others have the same model, and what
they read of their images, to themselves. What they make of an image comes back as it is, and is
scored here with all others: so a score is what one process makes of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.common.errors import ModelError
from engine.common.generators import result_of
from engine.common.kept import Kept
from engine.common.quiet_ray import connect, import_ray, why_unable
from engine.common.wording import counted
from engine.config import RunConfig
from engine.data.dataset import Split
from engine.models import threads
from engine.vlm.encoder_decoder.prediction import Predictions
from engine.vlm.loading import OnProgress, Report, load_fitness

KEY = "vlm.shards"
IMAGES_AT_ONCE = 32  # that a shard is sent back together
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0  # after which it is said what is waited for

Found = tuple[Sequence[int], Mapping[str, Predictions]]
"""Rows of a split, and what each template made of them."""


class ShardReader:
    """A shard, in a process of its own."""

    def __init__(self, config: RunConfig) -> None:
        threads.prepare()
        self._fitness: Any = load_fitness(config, lambda *_: None, lambda _: None, Kept())

    def identity(self) -> tuple[str, ...]:
        """What tells its model and images from others."""
        return identity_of(self._fitness)

    def process(self) -> int:
        """The process that it is."""
        return os.getpid()

    def read(self, templates: Sequence[str], split: Split, rows: Sequence[int]) -> Found:
        """What templates make of some images."""
        return rows, result_of(self._fitness.read(templates, split, rows))


def identity_of(fitness: Any) -> tuple[str, ...]:
    """What tells the model and the images of a fitness from others."""
    return (fitness.weights, fitness.fingerprint("train"), fitness.fingerprint("test"))


class Shards:
    """The shards of other processes. They end with it. One thread at a time."""

    def __init__(self, config: RunConfig, progress: OnProgress, report: Report) -> None:
        """Start them, and wait until they have read the model.

        Raises:
            UserError: if there is no cluster, or no place on it.
            ModelError: if one of them can't load the model.
        """
        self._ray = import_ray(KEY)
        self._report = report
        self._count = config.vlm.shards
        gpu = self._connect(config)
        alone = config.vlm.model_copy(
            update={"shards": 1, "device": "auto" if gpu else config.vlm.device}
        )
        config = config.model_copy(update={"vlm": alone})
        need = {"CPU": 1.0, "GPU": 1.0 if gpu else 0.0}
        self._check_room(need)
        kind = self._ray.remote(num_cpus=1, num_gpus=need["GPU"])(ShardReader)
        self._readers: dict[int, Any] = {n: kind.remote(config) for n in range(1, self._count)}
        self.identities = self._wait_for_all(progress)

    def check(self, own: tuple[str, ...]) -> None:
        """See that they have the model and the images of this process.

        Raises:
            ModelError: if one has others.
        """
        if any(identity != own for identity in self.identities):
            raise ModelError(
                f"{KEY} = {self._count}: a process of the cluster has another model or other "
                "images than this one; see that vlm.model and data.path are the same on all nodes"
            )

    def _connect(self, config: RunConfig) -> bool:
        """Connect to Ray; whether shards take a GPU each."""
        import torch

        gpu = config.vlm.device.startswith("cuda") or (
            config.vlm.device == "auto" and torch.cuda.is_available()
        )
        if self._ray.is_initialized():
            return gpu
        before = os.environ.get("CUDA_VISIBLE_DEVICES")
        if gpu and not os.environ.get("RAY_ADDRESS"):  # this process has one to itself
            index = torch.device(config.vlm.device).index if ":" in config.vlm.device else 0
            known = before.split(",") if before else map(str, range(torch.cuda.device_count()))
            others = [name for at, name in enumerate(known) if at != index]
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(others)
        try:
            connect(self._ray, None, KEY)
        finally:
            if before is None:
                os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = before
        return gpu

    def _check_room(self, need: Mapping[str, float]) -> None:
        """See that there is a place for them, free or not."""
        have = self._ray.cluster_resources()
        others = self._count - 1
        for what, each in need.items():
            if each * others > have.get(what, 0.0):
                raise ModelError(
                    f"{KEY} = {self._count}: that takes {each * others:g} {what}s beside this "
                    f"process's own, and the cluster has {have.get(what, 0.0):g}; set it lower"
                )

    def _wait_for_all(self, progress: OnProgress) -> list[tuple[str, ...]]:
        waiting = [reader.identity.remote() for reader in self._readers.values()]
        all_of_them, begun, told = list(waiting), time.monotonic(), False
        while waiting:
            done, waiting = self._ray.wait(waiting, num_returns=1, timeout=LOOK_SECONDS)
            progress("shards of the images", len(all_of_them) - len(waiting), len(all_of_them))
            if not told and not done and time.monotonic() - begun > PATIENCE_SECONDS:
                told = True
                self._report(f"{KEY}: {counted(len(waiting), 'shard')} still waited for")
        try:
            return list(self._ray.get(all_of_them))
        except self._ray.exceptions.RayError as error:
            raise ModelError(f"{KEY} = {self._count}: {why_unable(error)}") from error

    # -- reading -----------------------------------------------------------------------------

    def others(self, rows: Sequence[int]) -> dict[int, list[int]]:
        """Those of some rows that other processes hold, by process."""
        held: dict[int, list[int]] = {}
        for row in rows:
            if row % self._count in self._readers:
                held.setdefault(row % self._count, []).append(row)
        return held

    def read(
        self, templates: Sequence[str], split: Split, held: Mapping[int, Sequence[int]]
    ) -> Iterator[Found | None]:
        """Ask for ``others``, at the first ``next``; gives what has come, or None for a while
        without anything. Rows of a process that was lost do not come: they are for this one.
        """
        asked: dict[Any, int] = {}
        for number, rows in held.items():
            for first in range(0, len(rows), IMAGES_AT_ONCE):
                some = list(rows[first : first + IMAGES_AT_ONCE])
                asked[self._readers[number].read.remote(list(templates), split, some)] = number
        yield None
        while asked:
            done, _ = self._ray.wait(list(asked), num_returns=1, timeout=LOOK_SECONDS)
            if not done:
                yield None
            for reference in done:
                number = asked.pop(reference)
                try:
                    yield self._ray.get(reference)
                except self._ray.exceptions.RayTaskError as error:
                    raise ModelError(f"{KEY} = {self._count}: {why_unable(error)}") from error
                except self._ray.exceptions.RayError as error:
                    self._lose(number, error)

    def _lose(self, number: int, error: Exception) -> None:
        if self._readers.pop(number, None) is not None:
            self._report(
                f"a process that held a shard of the images was lost ({why_unable(error)}); this "
                "one reads them from now on"
            )

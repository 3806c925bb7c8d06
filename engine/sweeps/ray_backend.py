"""Jobs wide on a Ray cluster: each a task with its share of CPUs and GPUs.

Ray's own retries are off. Where a trial's process or node is lost, this process says so, and sends
the trial out again to be taken up from its journal, with the name of the process that is dead: only
who knows that may take a run away from one on another host.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.common.files import write_atomic
from engine.common.quiet_ray import why_unable
from engine.common.wording import counted
from engine.config import RunConfig
from engine.storage.journal import is_begun
from engine.storage.lock import Owner, read_owner
from engine.sweeps import ray_cluster
from engine.sweeps.backend import FinishedJob, Job, OnNews
from engine.sweeps.ray_cluster import Needs, Node
from engine.sweeps.ray_trial import Trial, TrialEnd, run_trial

POLL_SECONDS = 0.2
TOKEN = "seen-by-all-nodes"
WAITING = 2  # times as many trials are with Ray as there is room for: it fills gaps by itself


@dataclass(frozen=True)
class RayOptions:
    """Where trials run, what each takes, and how often one is taken up whose process was lost.

    ``gpus`` None: one where the cluster has any, and a run may use one.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float | None = None
    retries: int = 3


@dataclass
class _Out:
    """A trial that is with Ray."""

    job: Job
    lost: int  # how often its process was
    left_by: Owner | None = None  # the process that drove it before
    told_to_stop: bool = False
    host: str | None = None  # where it was seen to run


class RayBackend:
    """Runs jobs on a cluster; see ``Backend``. One thread runs it, any thread may stop it."""

    def __init__(self, folder: Path, options: RayOptions, on_news: OnNews | None = None) -> None:
        """``folder`` is the sweep's."""
        self._folder = folder.absolute()
        self._options = options
        self._on_news = on_news or (lambda job, text: None)
        self._stopping = False
        self._unwanted: set[str] = set()
        self._token_text = secrets.token_hex(16)

    def run(self, jobs: Sequence[Job]) -> Iterator[FinishedJob]:
        """Run all jobs; see ``Backend``.

        Raises:
            UserError: if there is no cluster, no node that could run a trial, or one that can't see
                the sweep's folder.
        """
        with ray_cluster.connected(self._options.address) as ray, self._token() as token:
            nodes = ray_cluster.living_nodes(ray)
            needs = self.needs(nodes, jobs)
            able = ray_cluster.check_room(nodes, needs)
            ray_cluster.check_nodes(ray, able, token)
            task = ray.remote(max_retries=0, num_cpus=needs.cpus, num_gpus=needs.gpus)(run_trial)
            yield from _Course(self, ray, task, token, needs).run(jobs, nodes)

    def stop(self, name: str | None = None) -> None:
        """Stop; see ``Backend``. It is obeyed by the thread that runs it."""
        if name is None:
            self._stopping = True
        else:
            self._unwanted.add(name)

    def is_unwanted(self, job: Job) -> bool:
        """Whether a job is to stop, or not to begin."""
        return self._stopping or job.name in self._unwanted

    @property
    def is_stopping(self) -> bool:
        """Whether no other job is to begin."""
        return self._stopping

    @property
    def retries(self) -> int:
        """How often a job is taken up whose process was lost."""
        return self._options.retries

    def tell(self, job: Job, text: str) -> None:
        """Say something of a job."""
        self._on_news(job, text)

    def trial(self, job: Job, needs: Needs, token: Path, gone: Owner | None) -> Trial:
        """A job as it is sent to a node, whose working folder is another."""
        moved = dataclasses.replace(job, folder=job.folder.absolute())
        return Trial(moved, needs.gpus > 0, token, self._token_text, gone)

    def needs(self, nodes: Sequence[Node], jobs: Sequence[Job]) -> Needs:
        """What each of these jobs takes of one of these nodes."""
        gpus = self._options.gpus
        if gpus is None:
            wanted = any(_may_use_a_gpu(job.config) for job in jobs)
            gpus = 1.0 if wanted and any(node.gpus >= 1 for node in nodes) else 0.0
        return Needs(self._options.cpus, gpus)

    @contextlib.contextmanager
    def _token(self) -> Iterator[Path]:
        """A file in the sweep's folder that says whether a node sees that."""
        path = self._folder / TOKEN
        write_atomic(path, self._token_text)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


class _Course:
    """One course of a backend's jobs through the cluster."""

    def __init__(self, backend: RayBackend, ray: Any, task: Any, token: Path, needs: Needs) -> None:
        self._backend, self._ray, self._task = backend, ray, task
        self._token, self._needs = token, needs
        self._out: dict[Any, _Out] = {}  # by Ray's reference

    def run(self, jobs: Sequence[Job], nodes: Sequence[Node]) -> Iterator[FinishedJob]:
        """Send all out, and yield each as it ends for good."""
        waiting = list(reversed(jobs))
        while waiting or self._out:
            if self._backend.is_stopping:
                waiting.clear()
            while waiting and len(self._out) < self._room():
                job = waiting.pop()
                if self._backend.is_unwanted(job):
                    yield FinishedJob(job, "stopped")
                else:
                    self._send(job, 0, self._dead_owner(job, nodes))
            self._stop_unwanted()
            if not self._out:
                continue
            done, _ = self._ray.wait(list(self._out), num_returns=1, timeout=POLL_SECONDS)
            self._look_where_they_run()
            for reference in done:
                end = self._ended(reference, self._out.pop(reference))
                if end is not None:
                    yield end

    def _room(self) -> int:
        """How many trials are with Ray at once; a node that has come since counts."""
        nodes = ray_cluster.living_nodes(self._ray)
        return max(1, WAITING * sum(node.slots(self._needs) for node in nodes))

    def _send(self, job: Job, lost: int, gone: Owner | None) -> None:
        trial = self._backend.trial(job, self._needs, self._token, gone)
        left_by = read_owner(job.folder)
        self._out[self._task.options(name=job.name).remote(trial)] = _Out(job, lost, left_by)

    def _dead_owner(self, job: Job, nodes: Sequence[Node]) -> Owner | None:
        """Who drove a job before and is dead, where a node of its host can say so."""
        owner = read_owner(job.folder) if is_begun(job.folder) else None
        if owner is not None and ray_cluster.is_dead(self._ray, nodes, owner):
            return owner
        return None

    def _stop_unwanted(self) -> None:
        for reference, out in self._out.items():
            if self._backend.is_unwanted(out.job) and not out.told_to_stop:
                out.told_to_stop = True
                self._ray.cancel(reference, force=False)  # SIGINT, where it runs

    def _look_where_they_run(self) -> None:
        for out in self._out.values():
            owner = read_owner(out.job.folder) if out.host is None else None
            if owner is not None and owner != out.left_by:
                out.host = owner.host
                again = ", goes on" if out.lost else ""
                self._backend.tell(out.job, f"runs as process {owner.pid} on {owner.host}{again}")

    def _ended(self, reference: Any, out: _Out) -> FinishedJob | None:
        """How a job ended, or None where it was sent out again."""
        errors = self._ray.exceptions
        try:
            end: TrialEnd = self._ray.get(reference)
        except errors.TaskCancelledError:
            return FinishedJob(out.job, "stopped")
        except (
            errors.RayTaskError,
            errors.RuntimeEnvSetupError,
            errors.TaskUnschedulableError,
        ) as e:
            return FinishedJob(out.job, "failed", why_unable(e))
        except errors.RayError as error:
            return self._lost(out, _what_was_lost(errors, error))
        if end.status == "preempted":
            return self._lost(out, f"its process on {end.host} was told to end")
        return FinishedJob(out.job, end.status, end.error)

    def _lost(self, out: _Out, what: str) -> FinishedJob | None:
        if self._backend.is_unwanted(out.job):
            return FinishedJob(out.job, "stopped")
        times, most = out.lost + 1, self._backend.retries
        if times > most:
            tried = f"after {counted(most, 'retry', 'retries')}" if most else "--retries is 0"
            return FinishedJob(out.job, "failed", f"{what} ({tried}); its journal is whole")
        self._backend.tell(out.job, f"{what}; taken up from its journal, {times} of {most} retries")
        self._send(out.job, times, read_owner(out.job.folder))
        return None


def _may_use_a_gpu(config: RunConfig) -> bool:
    llm = not config.llm.is_served and config.llm.device != "cpu"
    return llm or config.vlm.device != "cpu"


def _what_was_lost(errors: Any, error: BaseException) -> str:
    if isinstance(error, errors.OutOfMemoryError):
        return (
            "its process was ended for memory: its node had next to none left (--cpus-per-trial "
            "and --gpus-per-trial say how many trials share one)"
        )
    if isinstance(error, errors.NodeDiedError | errors.LocalRayletDiedError):
        return "its node died or can't be reached"
    if isinstance(error, errors.WorkerCrashedError):
        return "its process died"
    return f"its process was lost ({why_unable(error)})"

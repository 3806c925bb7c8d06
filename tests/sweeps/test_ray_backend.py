"""Sweeps on a real Ray on this machine: two workers, one of them killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import JournalError, UserError
from engine.common.quiet_ray import check_address, import_ray
from engine.remote.address import Mark, mark
from engine.remote.client import RemoteSession
from engine.run.commands import Pause, StepOnce
from engine.storage.journal import is_begun, is_driven, read_journal
from engine.storage.lock import Owner, read_owner
from engine.storage.run_folder import LOG
from engine.sweeps import ray_cluster
from engine.sweeps.backend import FinishedJob, Job
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.ray_backend import RayBackend, RayOptions
from engine.sweeps.ray_cluster import Needs, Node
from engine.sweeps.sweep import Sweep, open_sweep
from tests.support.command import glov
from tests.support.patience import CEILING_SECONDS, wait_until
from tests.support.small_ray import small_ray
from tests.support.small_runs import OVERRIDES, outcome

ADDRESS = "127.0.0.1:1"  # nobody listens there


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """One for all tests here, with room for two trials."""
    with small_ray() as library:
        yield library


class Course:
    """A backend at work on a thread of its own, and what it says."""

    def __init__(self, sweep: Sweep, retries: int = 0) -> None:
        self.news: list[tuple[str, str]] = []
        self.ended: dict[str, FinishedJob] = {}
        options = RayOptions(retries=retries)
        self.backend = RayBackend(sweep.folder, options, self._told)
        self._jobs = sweep.jobs
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def _told(self, job: Job, text: str) -> None:
        self.news.append((job.name, text))

    def _main(self) -> None:
        for end in self.backend.run(self._jobs):
            self.ended[end.job.name] = end

    def heard(self, name: str, text: str) -> bool:
        return any(about == name and text in said for about, said in self.news)

    def wait(self) -> dict[str, str]:
        wait_until(lambda: not self._thread.is_alive(), "the end of the sweep")
        return {name: end.status for name, end in self.ended.items()}


def small_sweep(folder: Path, *axes: str) -> Sweep:
    return open_sweep(folder, make_grid("demo", OVERRIDES, map(parse_axis, axes)))


def attached(folder: Path) -> RemoteSession | None:
    """None where the socket is there and nobody listens yet."""
    with contextlib.suppress(JournalError):
        return RemoteSession.attach(folder, "a test")
    return None


def paused_after_a_step(folder: Path, before: Mark | None = None) -> Owner:
    """Hold a trial by its socket once it has done one more step; the process that drives it.

    ``before``: the socket of a process that was killed.
    """
    wait_until(lambda: mark(folder) not in (None, before), "a trial's socket")
    session = wait_until(lambda: attached(folder), "an answer of its socket")
    session.send(Pause())
    wait_until(lambda: session.state.status == "paused", "a pause")
    done = session.state.steps_done
    session.send(StepOnce())
    wait_until(lambda: session.state.steps_done == done + 1 and session.state.status == "paused")
    session.close()
    owner = read_owner(folder)
    assert owner is not None
    return owner


def test_a_trial_whose_process_is_killed_is_taken_up_and_ends_as_if_nothing_had_happened(
    ray: Any, tmp_path: Path, undisturbed: Path
) -> None:
    sweep = small_sweep(tmp_path / "sweep", "seed=0:2")
    first, second = sweep.jobs
    course = Course(sweep, retries=1)
    killed = paused_after_a_step(first.folder)
    assert killed.pid != os.getpid()
    left = mark(first.folder)
    os.kill(killed.pid, signal.SIGKILL)
    told = paused_after_a_step(first.folder, left)
    assert course.heard(first.name, "its process died; taken up from its journal, 1 of 1 retries")
    os.kill(told.pid, signal.SIGTERM)  # as a node that is taken away does
    assert course.wait() == {first.name: "failed", second.name: "finished"}
    error = course.ended[first.name].error or ""
    assert "was told to end (after 1 retry); its journal is whole" in error

    assert Course(sweep).wait() == {first.name: "finished", second.name: "finished"}
    assert outcome(first.folder) == outcome(undisturbed)
    kinds = [event.kind for event in read_journal(first.folder).events]
    assert kinds.count("run-reopened") == 2 and kinds.count("run-stopped") == 1
    assert "run-reopened" not in [e.kind for e in read_journal(second.folder).events]
    assert "Traceback" not in (first.folder / LOG).read_text()
    assert sorted(path.name for path in sweep.folder.iterdir()) == sorted(
        [first.name, second.name, "sweep.json"]
    )


def test_a_stop_ends_all_that_runs_and_begins_no_other(ray: Any, tmp_path: Path) -> None:
    sweep = small_sweep(tmp_path / "sweep", "seed=0:3")
    course = Course(sweep)
    held = wait_until(lambda: next(filter(is_held, sweep.jobs), None), "a trial")
    paused_after_a_step(held.folder)
    course.backend.stop()
    ended = course.wait()
    assert ended[held.name] == "stopped" and set(ended.values()) <= {"stopped", "finished"}
    assert read_journal(held.folder).events[-1].kind == "run-stopped"
    assert read_owner(held.folder) is None


@contextlib.contextmanager
def swept(ray: Any, sweep: Sweep, grid: str) -> Iterator[subprocess.Popen[str]]:
    """A process that drives a sweep on the cluster of these tests."""
    settings = [f"--set={override}" for override in OVERRIDES]
    command = ["sweep", "demo", f"--grid={grid}", *settings, f"--sweep-dir={sweep.folder}"]
    command += ["--backend=ray", f"--address={ray.get_runtime_context().gcs_address}"]
    with subprocess.Popen(
        glov(*command, "--headless"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        yield driver


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_runs_of_a_sweep_at_a_safe_point(
    ray: Any, tmp_path: Path, number: signal.Signals
) -> None:
    sweep = small_sweep(tmp_path / "sweep", "seed=0:1")
    (job,) = sweep.jobs
    with swept(ray, sweep, "seed=0:1") as driver:
        paused_after_a_step(job.folder)
        driver.send_signal(number)
        _, said = driver.communicate(timeout=CEILING_SECONDS)
    assert driver.returncode == 130 and "stopped; go on with: glov sweep" in said
    assert "SIGTERM" not in said and "Traceback" not in said
    assert read_journal(job.folder).events[-1].kind == "run-stopped"
    assert read_owner(sweep.folder) is None


def test_a_sweep_whose_driver_was_lost_goes_on(ray: Any, tmp_path: Path, undisturbed: Path) -> None:
    sweep = small_sweep(tmp_path / "sweep", "seed=0:1")
    (job,) = sweep.jobs
    with swept(ray, sweep, "seed=0:1") as driver:
        paused_after_a_step(job.folder)
        driver.kill()
    wait_until(lambda: not is_driven(job.folder), "the end of the trial's process")
    course = Course(sweep)
    assert course.wait() == {job.name: "finished"}
    assert course.heard(job.name, "runs as process")
    assert outcome(job.folder) == outcome(undisturbed)


def is_held(job: Job) -> bool:
    return is_begun(job.folder) and read_owner(job.folder) is not None


def test_what_no_node_has_is_said_before_any_trial(ray: Any, tmp_path: Path) -> None:
    sweep = small_sweep(tmp_path / "sweep", "seed=0")
    for options, expected in (
        (RayOptions(gpus=1), "--gpus-per-trial 1: no node .* has that much.*2 CPUs and 0 GPUs"),
        (RayOptions(cpus=3), "--cpus-per-trial 3: no node .* Ask for less, or add a node"),
    ):
        with pytest.raises(UserError, match=expected):
            list(RayBackend(sweep.folder, options).run(sweep.jobs))
    assert not sweep.jobs[0].folder.exists()


def test_a_folder_that_a_node_does_not_see_is_refused(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("here")
    elsewhere = Path("/proc/self/cwd/token")  # another folder for another process
    with pytest.raises(UserError, match="can't see /proc/self/cwd: .* all nodes share"):
        ray_cluster.check_nodes(ray, ray_cluster.living_nodes(ray), elsewhere)
    ray_cluster.check_nodes(ray, ray_cluster.living_nodes(ray), tmp_path / "token")


def test_a_process_is_dead_only_where_its_host_says_so(ray: Any) -> None:
    nodes = ray_cluster.living_nodes(ray)
    host = nodes[0].host
    assert not ray_cluster.is_dead(ray, nodes, Owner(os.getpid(), host))
    assert ray_cluster.is_dead(ray, nodes, Owner(2**30, host))
    assert not ray_cluster.is_dead(ray, nodes, Owner(2**30, "another-host"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (ADDRESS, "no Ray cluster answers there"),
        ("here", "write HOST:PORT"),
        ("here:", "write HOST:PORT"),
        ("here:99999", "write HOST:PORT"),
        ("ray://10.0.0.1:10001", "run it there"),
    ],
)
def test_a_wrong_address_is_refused_at_once(address: str, expected: str) -> None:
    with pytest.raises(UserError, match=f"--address {address}: .*{expected}"):
        check_address(address)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'glov-tui\[ray\]'"):
        import_ray("--backend ray")


def test_a_run_takes_a_gpu_where_there_is_one_that_it_may_use(tmp_path: Path) -> None:
    nodes = [Node("a", "head", 4, 0), Node("b", "worker", 8, 2)]
    some = small_sweep(tmp_path / "some", "vlm.device=cpu,auto", "llm.device=cpu").jobs
    none = [job for job in some if job.config.vlm.device == "cpu"]

    def gpus(options: RayOptions, nodes: list[Node], jobs: Sequence[Job]) -> float:
        return RayBackend(tmp_path, options).needs(nodes, jobs).gpus

    assert gpus(RayOptions(), nodes, some) == 1.0
    assert gpus(RayOptions(), nodes[:1], some) == 0.0
    assert gpus(RayOptions(), nodes, none) == 0.0
    assert gpus(RayOptions(gpus=0.25), nodes, none) == 0.25


@pytest.mark.parametrize(
    ("cpus", "gpus", "needs", "slots"),
    [
        (8, 2, Needs(1, 0.5), 4),
        (8, 2, Needs(1, 0.4), 4),  # a trial is on one GPU: 0.2 of each are left
        (8, 2, Needs(3, 0.1), 2),
        (8, 2, Needs(1, 2), 1),
        (8, 0, Needs(1, 1), 0),
        (0, 8, Needs(1, 0), 0),
        (8, 0, Needs(0.5, 0), 16),
    ],
)
def test_room_for_trials_on_a_node(cpus: float, gpus: float, needs: Needs, slots: int) -> None:
    assert Node("id", "host", cpus, gpus).slots(needs) == slots

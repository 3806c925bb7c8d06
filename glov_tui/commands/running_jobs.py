"""Running the jobs of a sweep, with a line on those under way and how each ended, on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text

from engine.common.kept import Kept
from engine.common.stop_signals import stop_on_signal
from engine.common.wording import counted
from engine.run import events as ev
from engine.run.state import RunState
from engine.storage.run_record import read_record
from engine.sweeps.backend import Backend, FinishedJob, Job
from engine.sweeps.driving import driving
from engine.sweeps.local_backend import LocalBackend
from engine.sweeps.ray_backend import RayBackend, RayOptions
from engine.sweeps.sweep import Sweep
from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, say
from glov_tui.common.progress import format_seconds
from glov_tui.common.text import clean
from glov_tui.terminal.outliving import Readers
from glov_tui.terminal.printing import percent


def run_jobs(
    sweep: Sweep,
    console: Console,
    readers: Readers,
    kept: Kept | None = None,
    ray: RayOptions | None = None,
) -> tuple[dict[str, str], bool]:
    """Run what is not finished; gives the failed jobs with reasons, and whether it was stopped.

    Ctrl+c and SIGTERM stop the runs under way at their next safe point. ``kept`` has models that
    are loaded already; with ``ray`` it is a cluster that runs them.

    Raises:
        UserError: before any is begun, if there is no such cluster, or another process is at work
            on the sweep.
    """
    known, failed = sweep.records()
    finished = {name for name, record in known.items() if record.finished}
    todo = [job for job in sweep.jobs if job.name not in finished and job.name not in failed]
    if finished:
        say(f"finished already: {len(finished)} of {counted(len(sweep.jobs), 'run')}")
    watch = Watch(console, readers, len(sweep.jobs), done=len(finished), left=len(todo))
    if not todo:
        return failed, False
    backend: Backend
    if ray is None:
        backend = LocalBackend(watch.on_event, kept)
    else:
        backend = RayBackend(sweep.folder, ray, watch.on_news)
    stopped = False

    def stop(name: str | None = None) -> None:
        nonlocal stopped
        stopped = stopped or name is None
        backend.stop(name)

    with driving(sweep.folder, stop), stop_on_signal(stop), watch.shown():
        for ended in backend.run(todo):
            watch.ended(ended)
            if ended.status == "failed":
                failed[ended.job.name] = ended.error or "no reason was given"
            stopped = stopped or ended.status == "stopped"
    return failed, stopped and watch.left > 0


def say_ended(failed: Mapping[str, str], stopped: bool, total: int, again: str) -> int:
    """Say what failed of ``total`` runs, and the command that goes on; returns the exit code."""
    for name, error in failed.items():
        say(f"glov: {name} failed: {error}")
    if stopped:
        say(f"stopped; go on with: {again}")
        return EXIT_INTERRUPTED
    if failed:
        say(f"{len(failed)} of {counted(total, 'run')} failed; try them again with: {again}")
        return EXIT_FAILED
    return EXIT_DONE


class Watch:
    """Shows which runs are under way and says how each one ended."""

    def __init__(
        self,
        console: Console,
        readers: Readers,
        total: int,
        done: int,
        left: int,
    ) -> None:
        self.left = left
        self._console, self._readers = console, readers
        self._total = total
        self._done = done
        self._job: Job | None = None
        self._state = RunState()
        self._begun = time.monotonic()
        self._job_begun: dict[str, float] = {}
        self._ended = 0
        self._warned: set[str] = set()
        self._elsewhere: set[str] = set()  # names of those that run on a cluster

    def shown(self) -> Live:
        """A line that follows the run under way, on a terminal only."""
        return Live(
            console=self._console,
            get_renderable=self._line,
            refresh_per_second=4 if self._console.is_terminal else 0.01,
            transient=True,
        )

    def on_event(self, job: Job, event: ev.Event, state: RunState) -> None:
        """Take an event of the run under way; on the engine's thread."""
        self._job, self._state = job, state
        match event:
            case ev.RunStarted() | ev.RunReopened():
                self._job_begun[job.name] = time.monotonic()
                if not self._console.is_terminal:
                    goes_on = ", goes on" if isinstance(event, ev.RunReopened) else ""
                    self._print(f"run {self._done + 1} of {self._total}: {job.name}{goes_on}")
            case ev.Warned() if event.message not in self._warned:  # runs share their data
                self._warned.add(event.message)
                self._print(f"{job.name}: {event.message}", "yellow")

    def on_news(self, job: Job, text: str) -> None:
        """Take a sentence on a run elsewhere."""
        self._job_begun.setdefault(job.name, time.monotonic())
        self._elsewhere.add(job.name)
        self._print(f"{job.name}: {text}")

    def ended(self, ended: FinishedJob) -> None:
        """Say how a run ended."""
        self._elsewhere.discard(ended.job.name)
        if ended.status == "stopped":
            return
        self._job = None
        self.left -= 1
        self._done += 1
        self._ended += 1
        now = time.monotonic()
        took = format_seconds(now - self._job_begun.get(ended.job.name, now))
        if ended.status == "failed":
            self._print(f"{ended.job.name}: failed", "red")
            return
        values = read_record(ended.job.folder).values
        self._print(
            f"{ended.job.name}: best few-shot {percent(values['best_train_accuracy'])} %, "
            f"ensemble test {percent(values['ensemble_test_accuracy'])} % ({took})"
        )

    def _print(self, text: str, style: str = "") -> None:
        try:
            self._console.print(Text(clean(text), style=style), soft_wrap=True)
        except OSError:  # nobody is there any more to read it
            self._readers.replace()

    def _line(self) -> Text:
        job, state = self._job, self._state
        left = None
        if self._ended:
            left = (time.monotonic() - self._begun) / self._ended * self.left
        if self._console.is_terminal and self._elsewhere:
            under_way = f"{self._done} of {self._total} done, {len(self._elsewhere)} under way"
            return Text(f"{under_way}, ETA {format_seconds(left)}")
        if not self._console.is_terminal or job is None:
            return Text()
        phase = state.progress.phase if state.progress else state.status
        best = f", best {percent(state.best.accuracy)} %" if state.best is not None else ""
        text = (
            f"run {self._done + 1} of {self._total}: {job.name}, step {state.step} of "
            f"{job.config.steps}, {phase}{best}, ETA {format_seconds(left)}"
        )
        return Text(clean(text), no_wrap=True, overflow="ellipsis")

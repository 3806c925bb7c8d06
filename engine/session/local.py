"""A run that this process drives: the engine thread, its command queue, what it publishes.

Pausing is exact: the engine holds at the next safe point, at most one token away, and keeps
everything. Commands are idempotent and the last one wins. The published state is immutable and
replaced as a whole, so that readers poll it without a lock and never hold up the engine.
"""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.errors import JournalError, ModelError, UserError
from engine.common.files import append_traceback
from engine.common.kept import Kept
from engine.common.stop_signals import ENGINE_THREAD
from engine.common.wording import counted
from engine.config import RunConfig
from engine.config.places import with_places
from engine.run import events as ev
from engine.run.commands import (
    Command,
    EndExperiment,
    InjectTemplate,
    MakeEdit,
    Pause,
    Resume,
    RunExperiment,
    StepOnce,
    Stop,
    UndoEdit,
)
from engine.run.contract import Expected, going_on
from engine.run.edit_check import edit_problem, injection_problem
from engine.run.edits import Edit
from engine.run.emitting import Emitted, Steps, together
from engine.run.experiment import Experiment
from engine.run.stalling import why_stalled
from engine.run.state import RunState
from engine.search.unused import unused_problem, unused_remark
from engine.session.experiments import experiment_events
from engine.session.giving_up import Load
from engine.session.loading import load_search
from engine.session.taking_up import take_up
from engine.storage.journal import Journal, read_journal
from engine.storage.run_folder import CONFIG, LOG, run_argument
from engine.storage.run_record import begun_config
from engine.storage.summary import Published, keep_summary_of
from engine.vlm.families import task_of, with_seed_template
from engine.vlm.interface import Score

if TYPE_CHECKING:
    from engine.search.strategy import Search


_LOOK_SECONDS = 0.1  # of whoever waits for the engine's end


@dataclass(frozen=True, slots=True)
class _Report:
    """A warning of another thread."""

    message: str


class _StopRequested(BaseException):
    """Unwinds the engine thread to its end; nobody on the way takes it for an error."""


class LocalSession:
    """A run driven by a thread of this process.

    ``on_event`` is called on the engine thread with every event and the state after it; it must
    return quickly and not raise.
    """

    def __init__(
        self,
        journal: Journal,
        state: RunState,
        scores: dict[str, Score] | None = None,
        on_event: Callable[[ev.Event, RunState], None] | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._journal = journal
        self._published = Published(journal.size, state)
        self._scores = scores or {}
        self._on_event = on_event
        self._kept = kept
        self._places: dict[str, Any] = {}  # that were said when it was taken up
        self.unattended = False  # nobody watches: what asks for a person ends the run
        self._commands: queue.SimpleQueue[Command | _Report] = queue.SimpleQueue()
        self._search: Search | None = None
        self._held_seconds = 0.0  # of all pauses: waiting is not work
        self._hold = False  # paused, or to be paused at the next safe point
        self._hold_after_step = False
        self._told = False  # a pause was asked for and is not announced yet
        self._deferred: collections.deque[Command | _Report] = collections.deque()
        self._load_watch = Load()
        # A daemon, so that a model that hangs in native code can't keep the process alive.
        self._thread = threading.Thread(target=self._main, name=ENGINE_THREAD, daemon=True)

    @classmethod
    def create(
        cls,
        config: RunConfig,
        folder: Path,
        on_event: Callable[[ev.Event, RunState], None] | None = None,
        kept: Kept | None = None,
    ) -> LocalSession:
        """A new run in ``folder``. Nothing is loaded before ``start``.

        ``kept`` has models and data of earlier runs of this process, and takes this one's.

        Raises:
            UserError: if the seed template is none of the VLM's, or the folder can't be written or
                holds a run.
        """
        return cls._opened(
            Journal.begin(with_seed_template(config), folder), on_event, kept, trusted=True
        )

    @classmethod
    def resume(
        cls,
        folder: Path,
        on_event: Callable[[ev.Event, RunState], None] | None = None,
        kept: Kept | None = None,
        trusted: bool = False,
        places: Mapping[str, Any] | None = None,
    ) -> LocalSession:
        """Take up a run where its journal ends; ``kept`` as in ``create``.

        ``places`` say where its data and models are now: see ``engine.config.places``.

        Raises:
            JournalError: if the journal is damaged or of another version, another process drives
                the run, or the folder can't be written.
            UserError: as ``check_trust``, if it is not ``trusted``.
        """
        # Opened first of all: nobody else may append to what is read.
        session = cls._opened(Journal(folder), on_event, kept, trusted)
        session._places = dict(places or {})
        return session

    @classmethod
    def _opened(
        cls,
        journal: Journal,
        on_event: Callable[[ev.Event, RunState], None] | None,
        kept: Kept | None,
        trusted: bool,
    ) -> LocalSession:
        try:
            taken = take_up(journal, trusted)
            session = cls(journal, taken.state, taken.scores, on_event, kept)
            if taken.begun is not None and on_event is not None:
                on_event(taken.begun, taken.state)
            for event in taken.news:
                session._publish(event)
        except BaseException:
            journal.abandon()
            raise
        return session

    @property
    def state(self) -> RunState:
        """The latest state; never changes under the reader."""
        return self._published.state

    @property
    def published(self) -> Published:
        """The latest state, and which part of the journal it is the fold of."""
        return self._published

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._journal.folder

    @property
    def ended(self) -> bool:
        """Whether the engine thread was started and has ended, or was given up."""
        alive = self._thread.is_alive() and not self._load_watch.given_up
        return self._thread.ident is not None and not alive

    @property
    def is_told_to_stop(self) -> bool:
        """Whether it was told to stop, which it does at its next safe point."""
        return self._load_watch.is_told_to_stop

    def start(self) -> None:
        """Start the engine thread, once: it loads the models, then runs until done or stopped."""
        if self._thread.ident is None:
            self._thread.start()

    def send(self, command: Command) -> None:
        """Queue a command; it is obeyed at the next safe point."""
        if isinstance(command, Stop):
            self._load_watch.ask_to_stop()
        self._commands.put(command)

    def report(self, message: str) -> None:
        """Journal a warning at the next safe point; from any thread."""
        self._commands.put(_Report(message))

    def warn(self, message: str) -> None:
        """Journal a warning; before ``start``."""
        self._publish(ev.Warned(message=message))

    def close(self) -> None:
        """Give a run back that was not started."""
        self._journal.close()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the engine's end; returns whether it has ended.

        One that is told to stop while it loads models is given up: that can't be interrupted.
        The process should then end by ``engine.common.stop_signals.leave``.
        """
        if self._thread.ident is None:  # a screen may end before it started the engine
            return False
        end = None if seconds is None else time.monotonic() + seconds
        while not self.ended:
            left = _LOOK_SECONDS if end is None else end - time.monotonic()
            self._thread.join(max(0.0, min(left, _LOOK_SECONDS)))
            self._give_up_loading()
            if left <= 0:
                break
        return self.ended

    def _give_up_loading(self) -> None:
        with self._load_watch.lock:
            if self._load_watch.give_up():
                self._finally(ev.RunStopped(step=self.state.steps_done))

    # -- on the engine thread ----------------------------------------------------------------

    def _main(self) -> None:
        end: ev.Event | None = None
        try:
            self._run()
        except _StopRequested:
            end = ev.RunStopped(step=self.state.steps_done)
        except ModelError as error:
            end = ev.RunFailed(message=f"{error}{self._how_to_mend()}")
        except UserError as error:
            end = ev.RunFailed(message=str(error))
        except Exception as error:
            end = self._failure(error)
        finally:
            with self._load_watch.lock:
                if not self._load_watch.given_up:  # who gave up on it has said how the run ended
                    self._finally(end)

    def _finally(self, event: ev.Event | None) -> None:
        """Say how the run ended, if that is not said yet, and close its journal."""
        try:
            try:
                if event is not None:
                    self._say(event)
            finally:
                keep_summary_of(self.folder, self._published)  # while nobody else can go on
                self._journal.close()
        except UserError as error:  # the journal itself can't be written
            event = ev.RunFailed(message=str(error))
            state = self.state.apply(event)
            self._published = Published(self._journal.size, state, unwritten=event)
            if self._on_event is not None:
                self._on_event(event, self.state)

    def _is_finished(self) -> bool:
        return self.state.status == "finished"

    def _run(self) -> None:
        if self._is_finished():
            return
        if not (self.folder / CONFIG).exists():  # edits are no part of it
            self._journal.write_config(begun_config(read_journal(self.folder).events))
        search = self._search = self._load()
        if self.state.test("seed") is None:
            self._drive(search.begin(self.state))
        self._drive(search.catch_up(self.state))
        self._score_waiting()
        while self.state.steps_done < search.config.steps:
            self._drive(search.step(self.state))
            self._journal.sync()
            self._look_for_stalling()
            if self._hold_after_step:
                self._hold_after_step, self._hold = False, True
                self._obey()
        while not self._is_finished():
            self._wait_for_a_template()
            self._drive(search.finish(self.state))
        self._refuse_what_is_late()

    def _wait_for_a_template(self) -> None:
        """Pause where every template is banned, as there is none to measure at the end.

        Raises:
            ModelError: the same, where nobody is there to allow one.
        """
        while not self.state.with_pending().allowed:
            reason = "every template is banned, so there is none to finish with"
            if self.unattended:
                raise ModelError(
                    f"{reason}. `glov resume {run_argument(self.folder)}` in the cockpit (without "
                    "--headless) pauses here: allow one there (b), or inject one (i)"
                )
            self._publish(
                ev.Warned(message=f"{reason}: allow one (b) or inject one (i), then resume")
            )
            self._hold = True
            self._obey()

    def _refuse_what_is_late(self) -> None:
        """Say of what was asked for in the run's last moment that it is not done."""
        while (command := self._next_command(wait=False)) is not None:
            if isinstance(command, MakeEdit | InjectTemplate | _Report):
                self._do(command)

    def _look_for_stalling(self) -> None:
        """Pause where step after step gives nothing new, as going on would be without end.

        Raises:
            ModelError: the same, where nobody is there to go on after a pause.
        """
        config, reason = self.state.config, why_stalled(self.state)
        if config is None or reason is None:
            return
        if self.unattended:
            more = min(config.proposal.patience, config.steps - self.state.steps_done)
            raise ModelError(
                f"{reason}. `glov resume {run_argument(self.folder)}` goes on for "
                f"{counted(more, 'more step')}; in the cockpit (without --headless) all of "
                "this can be changed in the run"
            )
        self._publish(ev.Warned(message=f"{reason}; then resume"))
        self._hold_after_step = True

    def _load(self) -> Search:
        def progress(what: str, done: int, total: int) -> None:
            self._publish(ev.Progress(phase="loading", detail=what, done=done, total=total))
            self._obey()

        def report(message: str) -> None:
            self._publish(ev.Warned(message=message))

        config = self.state.with_pending().config
        assert self.state.config is not None and config is not None
        remark = unused_remark(config)
        if remark and all(line.text != remark for line in self.state.log):  # once is enough
            report(remark)
        begun, before = time.monotonic(), self.state.models
        run = run_argument(self.folder)
        expected = Expected(before, run, self.state.steps_done) if before is not None else None
        with self._load_watch.under_way():
            search = load_search(
                with_places(self.state.config, self._places),
                progress,
                report,
                self._scores,
                self._kept,
                expected,
                lambda: time.monotonic() - self._held_seconds,
            )
        loaded = search.models_loaded(time.monotonic() - begun)
        if before is not None:
            loaded, remarks = going_on(before, loaded)
            for remark in remarks:
                report(remark)
        places = (ev.PlacesSet(places=self._places),) if self._places else ()
        self._publish(*places, loaded)  # said for good once the run goes on with it
        return search

    def _drive(self, steps: Steps[RunState], obeying: bool = True) -> None:
        """Run one generator of the search; each of its yields is a safe point."""
        with contextlib.closing(steps):
            try:
                emitted: Emitted = next(steps)
                while True:
                    self._publish(*together(emitted))
                    if obeying:
                        self._obey()
                    emitted = steps.send(self.state)
            except StopIteration:
                return

    def _publish(self, *events: ev.Event) -> None:
        with self._load_watch.lock:
            if self._load_watch.given_up:
                raise _StopRequested
            self._say(*events)

    def _say(self, *events: ev.Event) -> None:
        """Fold, then append, then show: what can't be folded must not get into the journal."""
        state, states = self.state, []
        for event in events:
            state = state.apply(event)
            states.append(state)
        facts = [event for event in events if event.is_fact]
        if facts:
            self._journal.append(*facts)
        self._published = Published(self._journal.size, state)
        if self._on_event is not None:
            for event, after in zip(events, states, strict=True):
                self._on_event(event, after)

    def _obey(self) -> None:
        """Do what was asked since the last safe point; while paused, wait here.

        Raises:
            _StopRequested: if told to stop.
        """
        told = self._hold  # a hold set at a step's end is announced like a pause
        paused = False
        begun = time.monotonic()
        while True:
            if (told or self._told) and self._hold and not paused:
                self._publish(ev.RunPaused(step=self.state.step))
                paused, begun = True, time.monotonic()
            command = self._next_command(wait=self._hold)
            if command is None:
                break
            self._do(command)
        self._told = False
        if paused:
            self._held_seconds += time.monotonic() - begun
            self._publish(ev.RunResumed(step=self.state.step))

    def _next_command(self, wait: bool) -> Command | _Report | None:
        if self._deferred:
            return self._deferred.popleft()
        try:
            return self._commands.get(block=wait)
        except queue.Empty:
            return None

    def _do(self, command: Command | _Report) -> None:
        match command:
            case _Report():
                self._publish(ev.Warned(message=command.message))
            case Stop():
                raise _StopRequested
            case Pause():
                self._hold, self._told = True, True
            case Resume():
                self._hold, self._hold_after_step = False, False
            case StepOnce():
                self._hold, self._hold_after_step = False, True
            case MakeEdit():
                self._edit(command.edit)
            case UndoEdit():
                self._undo()
            case InjectTemplate():
                self._inject(command.text)
            case RunExperiment():
                self._experiment(command.experiment)
            case EndExperiment():
                pass  # none is under way

    def _experiment(self, experiment: Experiment) -> None:
        """Try something on the loaded models. Nothing of the run depends on it."""
        begun = time.monotonic()
        self._publish(ev.ExperimentStarted(experiment=experiment))
        problem: str | None = None
        try:
            events = experiment_events(experiment, self.state, self._search, self._hold)
            with contextlib.closing(events) as work:
                for event in work:
                    self._publish(event)
                    if self._experiment_ended():
                        problem = "ended before it was done"
                        break
        except UserError as error:
            problem = str(error)
        except Exception as error:  # the run itself is whole
            append_traceback(self.folder / LOG, error)
            problem = f"{type(error).__name__}: {error} (details in {self.folder / LOG})"
        seconds = time.monotonic() - begun
        self._publish(ev.ExperimentEnded(problem=problem, seconds=seconds))

    def _experiment_ended(self) -> bool:
        """Look at what was asked meanwhile; whatever moves the run on ends the experiment."""
        while True:
            try:
                command = self._commands.get(block=False)
            except queue.Empty:
                return False
            if isinstance(command, EndExperiment):
                return True
            if isinstance(command, Stop | Resume | StepOnce | RunExperiment):
                self._deferred.append(command)
                return True
            self._do(command)

    def _edit(self, edit: Edit) -> None:
        problem = edit_problem(self.state, edit) or unused_problem(self.state, edit)
        if problem is not None:
            self._publish(ev.Warned(message=f"edit refused: {problem}"))
            return
        number = self.state.edits_made + 1
        self._publish(ev.Edited(number=number, step=self.state.next_step, edit=edit))

    def _undo(self) -> None:
        if self.state.pending:
            self._publish(ev.EditUndone(number=self.state.pending[-1].number))
        else:
            self._publish(ev.Warned(message="nothing to undo: every edit has taken effect"))

    def _inject(self, text: str) -> None:
        """Accept a person's template: from then on it is in the journal, whatever happens."""
        config = self.state.config
        assert config is not None
        parsed = task_of(config.vlm).read(text, accept=config.proposal.accept)
        if parsed.template is None:
            reason = parsed.reason.explanation if parsed.reason else "it is no template"
            self._publish(ev.Warned(message=f"template refused: {reason} ({text})"))
            return
        problem = injection_problem(self.state, parsed.template)
        if problem is not None:
            self._publish(ev.Warned(message=problem))
            return
        self._publish(ev.TemplateInjected(step=self.state.step, template=parsed.template))
        self._score_waiting()

    def _score_waiting(self) -> None:
        """Score a person's templates, as soon as the models and the seed's score are there."""
        if self._search is None or self.state.test("seed") is None:
            return
        while self.state.waiting:
            injected = self.state.waiting[0]
            try:
                self._score_injected(self._search, injected)
            except JournalError:
                raise
            except Exception as error:
                # It is let go: a run that fails of it would fail of it again at each resume.
                if not isinstance(error, UserError):
                    append_traceback(self.folder / LOG, error)
                reason = str(error) or type(error).__name__
                self._publish(ev.InjectionRefused(template=injected.template, reason=reason))

    def _score_injected(self, search: Search, injected: ev.TemplateInjected) -> None:
        """
        Raises:
            UserError: if it can't be scored.
        """
        check = search.fitness.check(injected.template)
        if check.reason is not None:
            raise UserError(check.sentence)
        if check.note is not None:
            self._publish(ev.Warned(message=f"injected template: {check.note}"))
        self._drive(search.score_injected(self.state, injected), obeying=False)

    def _how_to_mend(self) -> str:
        if self.state.step_begin is None:
            return ""
        return (
            f" (`glov resume {run_argument(self.folder)}` begins step {self.state.step} again; "
            "what is edited or undone while its models load counts for it)"
        )

    def _failure(self, error: Exception) -> ev.RunFailed:
        append_traceback(self.folder / LOG, error)
        return ev.RunFailed(
            message=f"{type(error).__name__}: {error} (details in {self.folder / LOG}; "
            f"nothing is lost, `glov resume {run_argument(self.folder)}` goes on)"
        )

"""What is asked of an engine, and done at its safe points: holding it, edits, templates, the lab.

Pausing is exact: the engine holds at the next safe point, at most one token away, and keeps
everything. Commands are idempotent and the last one wins.
"""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.common.errors import JournalError, UserError
from engine.common.files import append_traceback
from engine.run import events as ev
from engine.run.commands import (
    Asked,
    CallOffTests,
    Command,
    EndExperiment,
    InjectTemplate,
    MakeEdit,
    MeasureTest,
    Pause,
    Resume,
    RunExperiment,
    StepOnce,
    Stop,
    UndoEdit,
    WriteNote,
)
from engine.run.edit_check import edit_problem, injection_problem
from engine.run.experiment import Experiment
from engine.run.note_check import note_problem, noted
from engine.run.state import RunState
from engine.search.unused import unused_problem
from engine.session.experiments import experiment_events
from engine.session.publishing import Publisher, StopRequested
from engine.session.tests_on_demand import DemandedTests, Interrupted
from engine.storage.run_folder import LOG
from engine.vlm.families import task_of

if TYPE_CHECKING:
    from engine.search.strategy import Search


_MOVES_ON = (Stop, Resume, StepOnce, RunExperiment)
"""What ends a test or an experiment that is under way."""


@dataclass(frozen=True, slots=True)
class _Report:
    """A warning of another thread."""

    message: str


_JOURNALED = (
    MakeEdit,
    UndoEdit,
    InjectTemplate,
    MeasureTest,
    CallOffTests,
    WriteNote,
    _Report,
)
"""What leads to a fact, and needs no models for it."""


class Obeyer:
    """The queue of commands, and whether the engine is held. ``put`` is for any thread."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.search: Search | None = None  # once it is loaded
        self.tests = DemandedTests(publisher)
        self.holds_after_step = False
        self._hold = False  # paused, or to be paused at the next safe point
        self._told = False  # a pause was asked for and is not announced yet
        self._commands: queue.SimpleQueue[Command | _Report] = queue.SimpleQueue()
        self._deferred: collections.deque[Command | _Report] = collections.deque()
        self._ending = threading.RLock()  # a signal's handler may put a command too
        self._ended = False

    def put(self, command: Command) -> bool:
        """Queue a command; it is obeyed at the next safe point. False where none comes any more."""
        with self._ending:
            if not self._ended:
                self._commands.put(command)
            return not self._ended

    def report(self, message: str) -> None:
        """Have a warning journaled at the next safe point."""
        self._commands.put(_Report(message))

    # -- on the engine's thread ----------------------------------------------------------------

    def obey(self) -> None:
        """Do what was asked since the last safe point; while paused, wait here.

        Raises:
            StopRequested: if told to stop.
        """
        told = self._hold  # a hold set at a step's end is announced like a pause
        paused = False
        with contextlib.ExitStack() as held:
            while True:
                if (told or self._told) and self._hold and not paused:
                    self._publish(ev.RunPaused(step=self._publisher.state.step))
                    held.enter_context(self._publisher.clock.during("paused"))
                    paused = True
                tests = paused and self._hold and self.tests.can_begin
                waits = self._has_to_score
                command = self._next_command(wait=self._hold and not (tests or waits))
                if command is not None:
                    self._do(command)
                elif waits:
                    self._score_next()
                elif tests:
                    self.tests.measure(self._look_in_a_pause)
                else:
                    break
        self._told = False
        if paused:
            self._publish(ev.RunResumed(step=self._publisher.state.step))

    def hold(self) -> None:
        """Pause here until told to go on.

        Raises:
            StopRequested: if told to stop.
        """
        self._hold = True
        self.obey()

    def step_ended(self) -> None:
        """Pause here if that was asked for at the end of the step.

        Raises:
            StopRequested: if told to stop.
        """
        if self.holds_after_step:
            self.holds_after_step = False
            self.hold()

    def measure_tests(self) -> None:
        """Between two steps: measure the test accuracies that a person asked for.

        Raises:
            StopRequested: if told to stop.
        """
        while self.tests.can_begin:
            self.tests.measure(self.obey)

    def _look_in_a_pause(self) -> None:
        """Do what is asked meanwhile; what moves the run on comes first."""
        while (command := self._asked_meanwhile()) is not None:
            if isinstance(command, _MOVES_ON):
                self._deferred.append(command)
                raise Interrupted
            self._do(command)

    def end(self) -> None:
        """Journal what was asked for in the engine's last moment, so that none of it is lost.

        It counts where the run goes on, or is refused with the reason where it is finished. What
        comes later is refused by ``put``. Whoever calls this is the only one with a say in the run.
        """
        while True:
            command = self._next_command(wait=False)
            if command is None:
                with self._ending:
                    self._ended = self._commands.empty()
                if self._ended:
                    return
            elif isinstance(command, _JOURNALED):
                try:
                    self._do(command)
                except JournalError:  # nothing more of it can be kept, which ends the run
                    continue
                except Exception as error:
                    append_traceback(self._publisher.folder / LOG, error)

    def score_waiting(self) -> None:
        """Score a person's templates that wait, as soon as the models and the seed's score are
        there.

        Raises:
            StopRequested: if told to stop.
        """
        if self._has_to_score:
            self.obey()

    @property
    def _has_to_score(self) -> bool:
        """Whether a person's template waits, and the models and the seed's score are there."""
        state = self._publisher.state
        return bool(state.waiting) and self.search is not None and state.test("seed") is not None

    def _score_next(self) -> None:
        """Score the first of a person's templates that wait.

        One at a time, and only when nothing else is asked: a list is in the journal as a whole
        before the first of it is scored, and a pause or an end need not wait for all of it.
        """
        assert self.search is not None
        injected = self._publisher.state.waiting[0]
        try:
            self._score_injected(self.search, injected)
        except JournalError:
            raise
        except Exception as error:
            # It is let go: a run that fails of it would fail of it again at each resume.
            if not isinstance(error, UserError):
                append_traceback(self._publisher.folder / LOG, error)
            reason = str(error) or type(error).__name__
            self._publish(ev.InjectionRefused(template=injected.template, reason=reason))

    def _publish(self, *events: ev.Event) -> None:
        self._publisher.publish(*events)

    def _next_command(self, wait: bool) -> Command | _Report | None:
        if self._deferred:
            return self._deferred.popleft()
        try:
            return self._commands.get(block=wait)
        except queue.Empty:
            return None

    def _asked_meanwhile(self) -> Command | _Report | None:
        """What was asked while something else is done; None once a person's templates are scored,
        too.
        """
        while True:
            try:
                return self._commands.get(block=False)
            except queue.Empty:
                if not self._has_to_score:
                    return None
            self._score_next()

    def _do(self, command: Command | _Report) -> None:
        match command:
            case _Report():
                self._publish(ev.Warned(message=command.message))
            case Stop():
                raise StopRequested
            case Pause():
                self._hold, self._told = True, True
            case Resume():
                self._hold, self.holds_after_step = False, False
            case StepOnce():
                self._hold, self.holds_after_step = False, True
            case MakeEdit():
                self._edit(command)
            case UndoEdit():
                self._undo(command)
            case InjectTemplate():
                self._inject(command)
            case WriteNote():
                self._note(command)
            case MeasureTest():
                self._refuse_where(command, self.tests.ask(command))
            case CallOffTests():
                self._refuse_where(command, self.tests.call_off(command))
            case RunExperiment():
                self._experiment(command.experiment)
            case EndExperiment():
                pass  # none is under way

    # -- edits and a person's templates --------------------------------------------------------

    def _edit(self, command: MakeEdit) -> None:
        state, edit = self._publisher.state, command.edit
        problem = edit_problem(state, edit) or unused_problem(state, edit)
        if problem is not None:
            self._refuse(command, f"edit refused: {problem}")
            return
        number, step = state.edits_made + 1, state.next_step
        self._publish(ev.Edited(number=number, step=step, edit=edit, **_asked(command)))

    def _undo(self, command: UndoEdit) -> None:
        pending = self._publisher.state.pending
        if pending:
            self._publish(ev.EditUndone(number=pending[-1].number, **_asked(command)))
        else:
            self._refuse(command, "nothing to undo: every edit has taken effect")

    def _inject(self, command: InjectTemplate) -> None:
        """Accept a person's templates: from then on they are in the journal, whatever happens."""
        state = self._publisher.state
        facts: list[ev.Event] = []
        for text in (command.text, *command.more):
            facts.append(_accepted(state, text, command))
            state = state.apply(facts[-1])
        self._publish(*facts)

    def _note(self, command: WriteNote) -> None:
        problem = note_problem(self._publisher.state, command)
        if problem is not None:
            self._refuse(command, f"note refused: {problem}")
            return
        self._publish(noted(self._publisher.state, command))

    def _refuse_where(self, command: Command, problem: str | None) -> None:
        if problem is not None:
            self._refuse(command, problem)

    def _refuse(self, command: Command, why: str) -> None:
        self._publish(ev.Warned(message=why, refuses=command.kind))

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
        # To the end, whatever is asked meanwhile.
        self._publisher.publish_all(search.score_injected(self._publisher.state, injected))

    # -- the steering lab ----------------------------------------------------------------------

    def _experiment(self, experiment: Experiment) -> None:
        """Try something on the loaded models. Nothing of the run depends on it."""
        begun = time.monotonic()
        self._publish(ev.ExperimentStarted(experiment=experiment))
        problem: str | None = None
        try:
            events = experiment_events(
                experiment, self._publisher.state, self.search, self._hold, self._publisher.folder
            )
            with self._keeping_nothing(), contextlib.closing(events) as work:
                for event in work:
                    self._publish(event)
                    if self._experiment_ended():
                        problem = "ended before it was done"
                        break
        except UserError as error:
            problem = str(error)
        except Exception as error:  # the run itself is whole
            log = self._publisher.folder / LOG
            append_traceback(log, error)
            problem = f"{type(error).__name__}: {error} (details in {log})"
        seconds = time.monotonic() - begun
        self._publish(ev.ExperimentEnded(problem=problem, seconds=seconds))

    def _keeping_nothing(self) -> contextlib.AbstractContextManager[None]:
        """What the lab scores is no part of the run."""
        if self.search is None:
            return contextlib.nullcontext()
        return self.search.fitness.kept.without_store()

    def _experiment_ended(self) -> bool:
        """Look at what was asked meanwhile; whatever moves the run on ends the experiment."""
        while (command := self._asked_meanwhile()) is not None:
            if isinstance(command, EndExperiment):
                return True
            if isinstance(command, _MOVES_ON):
                self._deferred.append(command)
                return True
            self._do(command)
        return False


def _accepted(state: RunState, text: str, command: InjectTemplate) -> ev.Event:
    """That a template is to be scored, or why it is not."""
    assert state.config is not None
    parsed = task_of(state.config.vlm).read(text, accept=state.config.proposal.accept)
    if parsed.template is None:
        reason = parsed.reason.explanation if parsed.reason else "it is no template"
        return ev.Warned(message=f"template refused: {reason} ({text})", refuses=command.kind)
    problem = injection_problem(state, parsed.template)
    if problem is not None:
        return ev.Warned(message=problem, refuses=command.kind)
    return ev.TemplateInjected(step=state.step, template=parsed.template, **_asked(command))


def _asked(command: Asked) -> dict[str, str]:
    """Who asked for it, and why."""
    return {"author": command.author, "reason": command.reason}

"""A run that this process drives: the engine's thread, from the loading of models to its end.

What it says goes through a ``Publisher``, what it is asked through an ``Obeyer``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.errors import ModelError, UserError
from engine.common.files import append_traceback
from engine.common.kept import Kept
from engine.common.stop_signals import ENGINE_THREAD
from engine.common.wording import counted
from engine.config import RunConfig
from engine.config.places import with_places
from engine.run import events as ev
from engine.run.commands import Command, Stop
from engine.run.contract import Expected, going_on
from engine.run.emitting import Steps
from engine.run.stalling import why_stalled
from engine.run.state import RunState
from engine.search.begun import as_begun
from engine.search.unused import unused_remarks
from engine.session.gauges import Gauges
from engine.session.giving_up import Load
from engine.session.keeping import keep_predictions
from engine.session.loading import load_search
from engine.session.obeying import Obeyer
from engine.session.publishing import OnEvent, Publisher, StopRequested
from engine.session.taking_up import take_up
from engine.storage.journal import Journal, read_journal
from engine.storage.lock import Owner
from engine.storage.run_folder import CONFIG, LOG, run_argument
from engine.storage.run_record import begun_config
from engine.storage.summary import Published
from engine.vlm.interface import Score

if TYPE_CHECKING:
    from engine.search.strategy import Search


_LOOK_SECONDS = 0.1  # of whoever waits for the engine's end


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
        on_event: OnEvent | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._scores = scores or {}
        self._kept = kept
        self._places: dict[str, Any] = {}  # that were said when it was taken up
        self.unattended = False  # nobody watches: what asks for a person ends the run
        self._load_watch = Load()
        self._publisher = Publisher(journal, state, on_event, self._load_watch)
        self._obeyer = Obeyer(self._publisher)
        # A daemon, so that a model that hangs in native code can't keep the process alive.
        self._thread = threading.Thread(target=self._main, name=ENGINE_THREAD, daemon=True)

    @classmethod
    def create(
        cls,
        config: RunConfig,
        folder: Path,
        on_event: OnEvent | None = None,
        kept: Kept | None = None,
    ) -> LocalSession:
        """A new run in ``folder``. Nothing is loaded before ``start``.

        ``kept`` has models and data of earlier runs of this process, and takes this one's.

        Raises:
            UserError: if a template is none of the VLM's, or the folder can't be written or holds a
                run.
        """
        return cls._opened(Journal.begin(as_begun(config), folder), on_event, kept, trusted=True)

    @classmethod
    def resume(
        cls,
        folder: Path,
        on_event: OnEvent | None = None,
        kept: Kept | None = None,
        trusted: bool = False,
        places: Mapping[str, Any] | None = None,
        gone: Owner | None = None,
    ) -> LocalSession:
        """Take up a run where its journal ends; ``kept`` as in ``create``.

        ``places`` say where its data and models are now: see ``engine.config.places``. ``gone`` is
        a process of another host that drove it and is known to be dead.

        Raises:
            JournalError: if the journal is damaged or of another version, another process drives
                the run, or the folder can't be written.
            UserError: as ``check_trust``, if it is not ``trusted``.
        """
        # Opened first of all: nobody else may append to what is read.
        session = cls._opened(Journal(folder, gone), on_event, kept, trusted)
        session._places = dict(places or {})
        return session

    @classmethod
    def _opened(
        cls,
        journal: Journal,
        on_event: OnEvent | None,
        kept: Kept | None,
        trusted: bool,
    ) -> LocalSession:
        try:
            taken = take_up(journal, trusted)
            session = cls(journal, taken.state, taken.scores, on_event, kept)
            if taken.begun is not None:
                session._publisher.show(taken.begun)
            for event in taken.news:
                session._publisher.publish(event)
        except BaseException:
            journal.abandon()
            raise
        return session

    @property
    def state(self) -> RunState:
        """The latest state; never changes under the reader."""
        return self._publisher.state

    @property
    def published(self) -> Published:
        """The latest state, and which part of the journal it is the fold of."""
        return self._publisher.published

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._publisher.folder

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

    def send(self, command: Command) -> bool:
        """Queue a command; it is obeyed at the next safe point. False where the run has ended."""
        if isinstance(command, Stop):
            self._load_watch.ask_to_stop()
        return self._obeyer.put(command)

    def report(self, message: str) -> None:
        """Journal a warning at the next safe point; from any thread."""
        self._obeyer.report(message)

    def listen(self, listener: OnEvent) -> None:
        """Tell one more of each event; before ``start``."""
        self._publisher.add_listener(listener)

    def warn(self, message: str) -> None:
        """Journal a warning; before ``start``."""
        self._publisher.publish(ev.Warned(message=message))

    def close(self) -> None:
        """Give a run back that was not started."""
        self._publisher.journal.close()

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
            if self._load_watch.is_to_be_given_up:
                self._obeyer.end()
                self._load_watch.given_up = True
                self._publisher.end(ev.RunStopped(step=self.state.steps_done))

    # -- on the engine thread ----------------------------------------------------------------

    def _main(self) -> None:
        end: ev.Event | None = None
        gauges = Gauges(self._publisher.tell)
        gauges.start()
        try:
            self._run()
        except StopRequested:
            end = ev.RunStopped(step=self.state.steps_done)
        except ModelError as error:
            end = ev.RunFailed(message=f"{error}{self._how_to_mend()}")
        except UserError as error:
            end = ev.RunFailed(message=str(error))
        except Exception as error:
            end = self._failure(error)
        finally:
            gauges.stop()
            with self._load_watch.lock:
                if not self._load_watch.given_up:  # who gave up on it has said how the run ended
                    self._obeyer.end()
                    self._publisher.end(end)

    def _is_finished(self) -> bool:
        return self.state.status == "finished"

    def _run(self) -> None:
        if self._is_finished():
            return
        if not (self.folder / CONFIG).exists():  # edits are no part of it
            self._publisher.journal.write_config(begun_config(read_journal(self.folder).events))
        search = self._obeyer.search = self._load()
        self._obeyer.tests.have(search)
        if self.state.test("seed") is None:
            self._drive(search.begin(self.state))
        self._drive(search.catch_up(self.state))
        self._obeyer.score_waiting()
        self._obeyer.tests.ask_for_best()
        self._obeyer.measure_tests()
        self._publisher.clock.lap()  # what was before the first step is in none
        while self.state.steps_done < search.config.steps:
            self._drive(search.step(self.state))
            self._publisher.sync()
            self._obeyer.tests.ask_for_best()
            self._look_for_stalling()
            self._obeyer.step_ended()
            self._obeyer.measure_tests()
        self._obeyer.tests.is_closed = True
        while not self._is_finished():
            self._wait_for_a_template()
            self._drive(search.finish(self.state))

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
            self._publisher.publish(
                ev.Warned(message=f"{reason}: allow one (b) or inject one (i), then resume")
            )
            self._obeyer.hold()

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
        self._publisher.publish(ev.Warned(message=f"{reason}; then resume"))
        self._obeyer.holds_after_step = True

    def _load(self) -> Search:
        def progress(what: str, done: int, total: int) -> None:
            self._publisher.publish(
                ev.Progress(phase="loading", detail=what, done=done, total=total)
            )
            self._obeyer.obey()

        def report(message: str) -> None:
            self._publisher.publish(ev.Warned(message=message))

        config = self.state.with_pending().config
        assert self.state.config is not None and config is not None
        for remark in unused_remarks(config):
            if all(line.text != remark for line in self.state.log):  # once is enough
                report(remark)
        begun, before = time.monotonic(), self.state.models
        run = run_argument(self.folder)
        expected = Expected(before, run, self.state.steps_done) if before is not None else None
        placed = with_places(self.state.config, self._places)
        with self._load_watch.under_way():
            search = load_search(
                placed,
                progress,
                report,
                self._scores,
                self._kept,
                expected,
                self._publisher.clock,
            )
        loaded = search.models_loaded(time.monotonic() - begun)
        if before is not None:
            loaded, remarks = going_on(before, loaded)
            for remark in remarks:
                report(remark)
        places = (ev.PlacesSet(places=self._places),) if self._places else ()
        self._publisher.publish(*places, loaded)  # said for good once the run goes on with it
        room = placed.vlm.predictions_mib
        keep_predictions(self.folder, search.fitness, room, self._obeyer.report)
        return search

    def _drive(self, steps: Steps[RunState]) -> None:
        self._publisher.publish_all(steps, self._obeyer.obey)

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

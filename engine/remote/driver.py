"""Driving a run that is under way without a screen: each command waits for what comes of it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from engine.common.errors import UserError
from engine.common.record import to_json
from engine.prompts.template import normalise
from engine.remote.client import FAREWELL_SECONDS, RemoteSession
from engine.remote.controls import Role
from engine.remote.messages import (
    LONGEST_LINE,
    Greeting,
    Message,
    Refused,
    TakeControls,
    format_line,
)
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
from engine.run.event_record import EventRecord
from engine.run.state import RunState
from engine.storage.journal import read_journal
from engine.vlm.families import task_of

T = TypeVar("T")

MOST_WAITING = 10_000
"""News that wait for whoever reads them."""

LOOK_SECONDS = 0.1
"""How often it is looked whether the run has ended, while nothing comes."""


class NotDone(UserError):
    """A command that the run did not carry out, and why."""


class Driver:
    """The controls of a run under way, held while this is open.

    with Driver(folder, "a script") as driver:
        driver.do(Pause())
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        takes: bool = False,
        seconds: float | None = 60.0,
        whole: bool = False,
        watches: bool = False,
    ) -> None:
        """
        Args:
            folder: of the run.
            name: what others see.
            takes: whether to take the controls from a screen that has them. They go back to it
                when this is closed.
            seconds: how long a command may take; None: as long as it takes.
            whole: whether the news begin with all facts of before.
            watches: whether the controls are not wanted: others may have them meanwhile.

        Raises:
            JournalError: if no engine is there, or it does not answer.
        """
        self._takes, self._seconds = takes, seconds
        self._whole, self._began = whole, False
        self._facts = 0  # of this connection, which begins with all of the journal
        self._told = 0  # of all connections
        self._news: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._is_read = False  # what is there when it is opened waits whole
        self._missed: list[Message] | None = None  # facts that came over no connection
        role: Role = "watcher" if watches else "script"
        self._session = RemoteSession.attach(folder, name, self._heard, role)
        self._is_read = True

    def _heard(self, message: Message, is_news: bool) -> None:
        """Each fact once, also where the connection broke and was made again."""
        self._began = self._began or is_news
        if isinstance(message, Greeting):
            self._facts = 0
        if isinstance(message, EventRecord) and message.is_fact:
            self._facts += 1
            if self._facts <= self._told:
                return
            self._told = self._facts
            is_news = self._began or self._whole
        if is_news:
            self._keep(message)

    def _keep(self, message: Message) -> None:
        """One who reads slowly holds up this connection, and the engine sends no faster."""
        while self._is_read and self._news.qsize() >= MOST_WAITING:
            time.sleep(LOOK_SECONDS)
        self._news.put(message)

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._is_read = False
        self._session.close(FAREWELL_SECONDS)

    @property
    def session(self) -> RemoteSession:
        """The session, for its state and who has the controls."""
        return self._session

    @property
    def state(self) -> RunState:
        """The latest state."""
        return self._session.state

    def do(self, command: Command) -> ev.Event | None:
        """Have a command carried out; returns the fact that it is, where there is one.

        An injected template is scored first, where the models are there, and what is to be
        measured is.

        Raises:
            NotDone: if the run says no, ends first, or takes too long.
        """
        if not isinstance(command, WriteNote):  # any screen may
            self._have_controls(command.kind)
        match command:
            case Pause():
                self._send(command)
                self._until(lambda _: self.state.status == "paused" or None, command.kind)
            case Resume():
                self._send(command)
                self._until(lambda _: self._goes_on() or None, command.kind)
            case StepOnce():
                before = self.state.steps_done
                self._send(command)
                self._until(lambda _: self._has_stepped(before) or None, command.kind)
            case MakeEdit():
                self._send(command)
                return self._until(partial(_edited, command), command.kind)
            case UndoEdit():
                self._send(command)
                return self._until(_asked_by(ev.EditUndone, command), command.kind)
            case WriteNote():
                self._send(command)
                return self._until(partial(_noted, command), command.kind)
            case InjectTemplate():
                self._send(command)
                accepted = self._until(partial(self._injected, command), command.kind)
                if not self.state.scores_at_once:
                    return accepted
                return self._until(lambda news: self._scored(accepted, news), command.kind)
            case MeasureTest():
                self._send(command)
                asked = self._until(partial(_to_be_measured, command), command.kind)
                if not self.state.scores_at_once:
                    return asked
                return self._until(lambda news: _measured(asked, news), command.kind)
            case CallOffTests():
                self._send(command)
                return self._until(_fact(ev.TestDropped), command.kind)
            case Stop():
                self._send(command)
                self._until(lambda _: self._has_ended() or None, command.kind)
            case RunExperiment():
                self._send(command)
                ended = self._until(_fact(ev.ExperimentEnded), command.kind)
                if ended.problem is not None:
                    raise NotDone(f"{command.kind}: {ended.problem}")
            case EndExperiment():
                self._send(command)
                self._until(lambda _: self._tries_nothing() or None, command.kind)
        return None

    def next_news(self) -> Message | None:
        """What comes next; None once the run has ended and all of it was given."""
        while True:
            ended = self._session.ended  # looked at first: what it said before is there then
            try:
                return self._news.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if ended:
                    return self._next_missed()

    def _next_missed(self) -> Message | None:
        """A fact that the engine has journaled and not sent: it waits for nobody when it ends."""
        if self._missed is None:
            facts = read_journal(self._session.folder).events
            self._missed = list(reversed(facts[self._told :]))
        return self._missed.pop() if self._missed else None

    def _goes_on(self) -> bool:
        return self.state.status not in ("paused", "failed")

    def _has_stepped(self, before: int) -> bool:
        state = self.state
        return state.steps_done > before and state.status in ("paused", "finished", "stopped")

    def _has_ended(self) -> bool:
        return self._session.ended and not self._session.interrupted

    def _tries_nothing(self) -> bool:
        experiment = self.state.experiment
        return experiment is None or not experiment.running

    def _injected(
        self, command: InjectTemplate, news: Message | None
    ) -> ev.TemplateInjected | None:
        """That it is accepted: as the run reads it, which may take quotes off."""
        fact = _asked_by(ev.TemplateInjected, command)(news)
        config = self.state.config
        if fact is None or config is None:
            return fact
        read = task_of(config.vlm).read(command.text, accept=config.proposal.accept).template
        return fact if read is None or normalise(read) == normalise(fact.template) else None

    def _scored(
        self, accepted: ev.TemplateInjected, news: Message | None
    ) -> ev.TemplateScored | None:
        key = normalise(accepted.template)
        if isinstance(news, ev.InjectionRefused) and normalise(news.template) == key:
            raise NotDone(f"template refused: {news.reason}")
        if isinstance(news, ev.TemplateScored) and normalise(news.template) == key:
            return news
        return None

    def _have_controls(self, what: str) -> None:
        def held(_: Message | None) -> bool | None:
            controls = self._session.controls
            return (controls is not None and controls.holder == self._session.number) or None

        if held(None):
            return
        if not self._takes and self._held_by() == "script":  # it lets go of them by itself
            self._until(lambda _: (held(None) or self._held_by() != "script") or None, what)
            if held(None):
                return
        if not self._takes:
            controls = self._session.controls
            holder = controls.name(controls.holder) if controls is not None else "another screen"
            raise NotDone(f"{what}: {holder} has the controls; --take takes them for a moment")
        self._session.send(TakeControls())
        self._until(held, "take-controls")

    def _held_by(self) -> Role | None:
        controls = self._session.controls
        return controls.held_by if controls is not None else None

    def _send(self, command: Command) -> None:
        size = len(format_line(command))
        if size > LONGEST_LINE:
            raise NotDone(f"{command.kind}: {size:,} bytes, and {LONGEST_LINE:,} can be sent")
        while not self._news.empty():  # what was said before is no answer
            self._news.get()
        self._session.send(command)

    def _until(self, found: Callable[[Message | None], T | None], what: str) -> T:
        """Wait for something in the news, or in the state."""
        end = None if self._seconds is None else time.monotonic() + self._seconds
        news: Message | None = None
        while True:
            ended = self._session.ended
            if isinstance(news, Refused):
                raise NotDone(news.message)
            if isinstance(news, ev.Warned) and news.refuses == what:
                raise NotDone(news.message)
            value = found(news)
            if value is not None:
                return value
            if ended and self._news.empty():
                why = self.state.error or f"the run is {self.state.status}"
                raise NotDone(f"{what}: {why}")
            if end is not None and time.monotonic() > end:
                raise NotDone(
                    f"{what}: not done after {self._seconds:g} s; it will be at the next safe point"
                    " (--timeout waits longer)"
                )
            try:
                news = self._news.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                news = None


Answer = TypeVar("Answer", ev.TestDropped, ev.ExperimentEnded)
Signed = TypeVar("Signed", ev.Edited, ev.EditUndone, ev.TemplateInjected)


def _fact(kind: type[Answer]) -> Callable[[Message | None], Answer | None]:
    return lambda news: news if isinstance(news, kind) else None


# What others have asked for, or this one before and did not wait for, is no answer.


def _asked_by(kind: type[Signed], command: Asked) -> Callable[[Message | None], Signed | None]:
    def found(news: Message | None) -> Signed | None:
        if not isinstance(news, kind):
            return None
        said = (news.author, news.reason)
        return news if said == (command.author, command.reason) else None

    return found


def _edited(command: MakeEdit, news: Message | None) -> ev.Edited | None:
    fact = _asked_by(ev.Edited, command)(news)
    return fact if fact is not None and to_json(fact.edit) == to_json(command.edit) else None


def _noted(command: WriteNote, news: Message | None) -> ev.Noted | None:
    if not isinstance(news, ev.Noted) or news.text != command.text.strip():
        return None
    if command.number:
        same = news.number == command.number
    else:
        same = (news.step, news.template) == (command.step, command.template)
    return news if same and news.author == command.author else None


def _to_be_measured(command: MeasureTest, news: Message | None) -> ev.TestAsked | None:
    if isinstance(news, ev.TestAsked) and normalise(news.template) == command.key:
        return news
    return None


def _measured(asked: ev.TestAsked, news: Message | None) -> ev.TestMeasured | None:
    if isinstance(news, ev.TestDropped) and news.template == asked.template:
        raise NotDone(f"not measured: {news.problem or 'it was called off'}")
    if isinstance(news, ev.TestMeasured) and news.templates == (asked.template,):
        return news
    return None

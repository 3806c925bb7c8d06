"""Somebody who does the same to a run at the same places, however often it is killed.

What was done is known from the run's state. So a run that goes on in another process is done to
what is still to be done.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import Command, InjectTemplate, MakeEdit
from engine.run.edits import BanTemplate, ChooseAnchors, SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession

WHILE_LOADING = "a photo of a <category>, fallen to the right, in a macro shot."
WITHIN_STEP_1 = (
    "a photo of a <category>, standing on its head, with the bottom at the top, lit in blue, "
    "with balanced exposure."
)  # a new best: P+ at the end of step 1
AFTER_STEP_1 = (
    "a photo of a <category>, reflected in a mirror, standing on its head, under a blue lamp, "
    "with balanced exposure."
)  # another new best: P+ at once; banned in the last step, and allowed again when the run finishes
WHILE_FINISHING = (
    "a photo of a <category>, with the bottom at the top, lit in blue, reflected in a mirror."
)
COOLER = SetOption(key="sampling.temperature", value=0.9)
OTHERS = ChooseAnchors(
    positive=normalise(WITHIN_STEP_1), negative=normalise("a photo of a <category>.")
)  # so that step 3 compares its direction with another one, of step 2
BAN = BanTemplate(key=normalise(AFTER_STEP_1), banned=True)
ALLOW = BanTemplate(key=normalise(AFTER_STEP_1), banned=False)


class Person:
    """Takes the events of a session of three steps; see above."""

    def __init__(self) -> None:
        self.session: LocalSession | None = None
        self._asked: list[Command] = []  # in this process

    def __call__(self, event: ev.Event, state: RunState) -> None:
        if self.session is None:  # it is being opened
            return
        for when, command in _RULES:
            if command not in self._asked and not _is_done(command, state) and when(event, state):
                self._asked.append(command)
                self.session.send(command)


def meddle_with_all() -> None:
    """Have somebody do that to every session of this process."""
    begin = LocalSession.__init__

    def begin_with_a_person(session: LocalSession, *arguments, **more) -> None:
        begin(session, *arguments, **more)
        person = session._publisher.on_event = Person()
        person.session = session

    LocalSession.__init__ = begin_with_a_person


def _is_done(command: Command, state: RunState) -> bool:
    if isinstance(command, InjectTemplate):
        key = normalise(command.text)
        waits = any(normalise(waiting.template) == key for waiting in state.waiting)
        return waits or state.find(key) is not None
    return any(edited.edit == command.edit for edited in state.edits)


def _within(step: int, kind: type) -> Callable[[ev.Event, RunState], bool]:
    return lambda event, state: isinstance(event, kind) and event.step == step


def _while_loading(event: ev.Event, state: RunState) -> bool:
    return state.status == "loading" and state.models is None


def _after_step_1(event: ev.Event, state: RunState) -> bool:
    return state.steps_done == 1 and state.step_begin is None


def _while_finishing(event: ev.Event, state: RunState) -> bool:
    testing = isinstance(event, ev.Progress) and event.phase == "testing"
    return testing and state.steps_done == 3 and state.step_begin is None


_RULES = (
    (_while_loading, InjectTemplate(text=WHILE_LOADING)),
    (_within(1, ev.TokensStreamed), InjectTemplate(text=WITHIN_STEP_1)),
    (_after_step_1, InjectTemplate(text=AFTER_STEP_1)),
    (_within(2, ev.CandidateProposed), MakeEdit(edit=COOLER)),
    (_within(2, ev.CandidateProposed), MakeEdit(edit=OTHERS)),
    (_within(3, ev.CandidateProposed), MakeEdit(edit=BAN)),
    (_while_finishing, InjectTemplate(text=WHILE_FINISHING)),
    (_while_finishing, MakeEdit(edit=ALLOW)),
)

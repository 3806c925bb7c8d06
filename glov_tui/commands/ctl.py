"""``glov ctl``: a run that is under way, driven by scripts and agents. JSON in, JSON out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from engine.common.errors import JournalError, UserError
from engine.common.record import Count, Share
from engine.prompts.template import normalise
from engine.remote.driver import Driver, NotDone
from engine.remote.noting import write_note
from engine.remote.stopping import stop_engine
from engine.run import events as ev
from engine.run.commands import Command, StepOnce
from engine.run.event_record import EventRecord
from engine.run.notes import Note
from engine.run.result import RunResult, summarise
from engine.run.state import RunState
from engine.run.state_facts import Status
from engine.storage.journal import is_driven, read_journal, read_state
from engine.storage.run_folder import find_run, run_argument
from engine.storage.run_status import RunStatus, status_now
from glov_tui.commands.arguments import Action
from glov_tui.commands.ctl_asked import (
    NOBODY_NAMED,
    Asking,
    check_call,
    commands_of,
    no_values,
    note_of,
    read_commands,
)
from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, say
from glov_tui.terminal.printing import print_json


class EditMade(TypedDict):
    """An edit of the run's, in words."""

    number: Count
    edit: str
    from_step: Count
    author: str  # empty: a person at a screen
    reason: str


class Standing(TypedDict):
    """Where a template stands."""

    template: str
    train_accuracy: Share
    rank: Count


class Test(TypedDict):
    """A template on the test split, for whoever asked: the search does not use it."""

    template: str
    test_accuracy: Share
    hits: Count
    test_images: Count


class Answer(TypedDict):
    """What came of one command."""

    command: str
    done: bool
    why: NotRequired[str]  # it is not done
    status: Status | RunStatus  # of the run after it
    step: Count  # the one under way, or the last one done
    steps_done: Count
    edit: NotRequired[EditMade]  # that was made
    template: NotRequired[Standing]  # that was injected and scored
    test: NotRequired[Test]  # that was measured
    waits: NotRequired[str]  # the template, until the models are there
    note: NotRequired[NoteMade]  # that was written


class NoteMade(TypedDict):
    """A note of the lab book."""

    number: Count
    on: str  # the run, a step, or a template's text
    text: str  # empty: it was taken away
    author: str


class Screens(TypedDict):
    """Who is at a run under way."""

    names: list[str]
    controls: str | None  # who has them


class Running(TypedDict):
    """What a run does now, and its result so far."""

    status: Status | RunStatus
    total_steps: Count | None
    phase: str | None  # what the engine does now
    edits: list[EditMade]  # all that were not taken back
    waiting: list[EditMade]  # those of them that have not taken effect
    pinned: list[str]
    banned: list[str]
    anchors: list[str]  # P+ and P-; none before the first improvement
    notes: list[NoteMade]
    screens: Screens | None  # null where no engine is at work, or answers
    folder: str
    result: RunResult


def control(run: str, action: Action, values: Sequence[str], asking: Asking) -> int:
    """Tell or ask a run something, and print what came of it; returns the exit code.

    Raises:
        UserError: if there is no such run, no engine is at work on it, or the call is wrong.
    """
    check_call(action, values, asking)
    folder = find_run(run)
    match action:
        case Action.STATUS:
            no_values(action, values)
            return _print_status(folder, asking)
        case Action.WATCH:
            no_values(action, values)
            return _watch(folder, asking)
        case Action.STOP:
            no_values(action, values)
            stop_engine(folder)
            state = read_state(folder)
            print_json({**_answer("stop", state), "status": status_now(state.status, folder)})
            return EXIT_DONE
        case Action.NOTE:
            return _note(folder, values, asking)
    sends = action is Action.SEND
    if sends:
        no_values(action, values)
    commands: Iterable[Command] = read_commands() if sends else ()
    with Driver(folder, _name(asking), asking.takes, asking.seconds) as driver:
        code = EXIT_DONE
        for command in commands if sends else commands_of(action, values, driver.state):
            answer = _do(driver, asking.signed(command))
            print_json(answer)
            if not answer["done"]:
                code = EXIT_FAILED
                if isinstance(command, StepOnce) or driver.session.ended:
                    break  # the others would fail of the same
    return code


def _name(asking: Asking) -> str:
    return asking.author or NOBODY_NAMED


def _do(driver: Driver, command: Command) -> Answer:
    try:
        fact = driver.do(command)
    except NotDone as error:
        refused = _answer(command.kind, driver.state, str(error))
        if driver.session.interrupted:
            refused["status"] = "interrupted"
        return refused
    answer = _answer(command.kind, driver.state)
    if isinstance(fact, ev.Edited):
        answer["edit"] = _edit(fact)
    elif isinstance(fact, ev.TestMeasured):
        answer["test"] = {
            "template": fact.templates[0],
            "test_accuracy": fact.hits / fact.n,
            "hits": fact.hits,
            "test_images": fact.n,
        }
    elif isinstance(fact, ev.TemplateInjected | ev.TestAsked):
        answer["waits"] = fact.template
    elif isinstance(fact, ev.TemplateScored):
        key = normalise(fact.template)
        rank = driver.state.scored.rank(key)
        template = driver.state.find(key)
        if rank is not None and template is not None:
            answer["template"] = {
                "template": template.text,
                "train_accuracy": template.accuracy,
                "rank": rank + 1,
            }
    return answer


def _answer(command: str, state: RunState, why: str | None = None) -> Answer:
    answer: Answer = {
        "command": command,
        "done": why is None,
        "status": state.status,
        "step": state.step,
        "steps_done": state.steps_done,
    }
    if why is not None:
        answer["why"] = why
    return answer


def _note(folder: Path, values: Sequence[str], asking: Asking) -> int:
    """Note something, whether an engine is at work on the run or not."""
    command = note_of(values, read_state(folder), asking)
    try:
        made = write_note(folder, command, _name(asking), asking.seconds)
    except UserError as error:
        print_json(_answer(command.kind, read_state(folder), str(error)))
        return EXIT_FAILED
    state = read_state(folder)
    answer = _answer(command.kind, state)
    answer["status"] = status_now(state.status, folder)
    answer["note"] = _note_made(made, state)
    print_json(answer)
    return EXIT_DONE


def _note_made(note: Note | ev.Noted, state: RunState) -> NoteMade:
    on = "run" if note.step is None else f"step {note.step}"
    return {
        "number": note.number,
        "on": on if note.template is None else _text(note.template, state),
        "text": note.text,
        "author": note.author,
    }


def _edit(made: ev.Edited) -> EditMade:
    return {
        "number": made.number,
        "edit": made.edit.describe(),
        "from_step": made.step,
        "author": made.author,
        "reason": made.reason,
    }


# -- looking --------------------------------------------------------------------------------------


def _print_status(folder: Path, asking: Asking) -> int:
    if (driver := _asked_engine(folder, asking)) is not None:
        with driver:
            controls = driver.session.controls
            me = driver.session.number
            others = [s for s in controls.screens if s.number != me] if controls else []
            holder = next(
                (s.name for s in others if controls and s.number == controls.holder), None
            )
            screens: Screens = {"names": [s.name for s in others], "controls": holder}
            print_json(_running(driver.state, folder, screens))
        return EXIT_DONE
    print_json(_running(read_state(folder), folder, None))
    return EXIT_DONE


def _asked_engine(folder: Path, asking: Asking) -> Driver | None:
    """The engine at work on it; None where there is none, or none that answers: others' don't."""
    if not is_driven(folder):
        return None
    try:
        return Driver(folder, _name(asking), seconds=asking.seconds, watches=True)
    except JournalError as error:
        if is_driven(folder):
            say(f"glov: {error}; this is what its journal says")
        return None


def _running(state: RunState, folder: Path, screens: Screens | None) -> Running:
    progress = state.progress if screens is not None else None
    now = state.status if screens is not None else status_now(state.status, folder)
    return {
        "status": now,
        "total_steps": state.config.steps if state.config else None,
        "phase": progress.phase if progress is not None else None,
        "edits": [_edit(edited) for edited in state.edits],
        "waiting": [_edit(edited) for edited in state.pending],
        "pinned": [_text(key, state) for key in sorted(state.pinned)],
        "banned": [_text(key, state) for key in sorted(state.banned)],
        "anchors": [_text(key, state) for key in state.anchors or ()],
        "notes": [_note_made(note, state) for note in state.notes],
        "screens": screens,
        "folder": str(folder),
        "result": summarise(state, now),
    }


def _text(key: str, state: RunState) -> str:
    template = state.find(key)
    return template.text if template is not None else key


def _watch(folder: Path, asking: Asking) -> int:
    """A line of JSON for each event (docs/journal.md, docs/socket.md) until the run has ended."""
    if not is_driven(folder):
        if not asking.whole:
            is_finished = read_state(folder).status == "finished"
            on = f"; `glov resume {run_argument(folder)} --detach` goes on"
            raise JournalError(
                f"{folder} {'is finished' if is_finished else 'has no engine at work on it'}: "
                f"--from-start prints what was{'' if is_finished else on}"
            )
        with _until_nobody_reads():
            for event in read_journal(folder).events:
                _print_event(event)
        return EXIT_DONE
    name, whole = _name(asking), asking.whole
    with Driver(folder, name, seconds=None, whole=whole, watches=True) as driver:
        with _until_nobody_reads():
            while (news := driver.next_news()) is not None:
                if isinstance(news, EventRecord) and (news.is_fact or asking.telemetry):
                    _print_event(news)
        if driver.session.interrupted:
            say(f"glov: {driver.state.error}")
        return EXIT_FAILED if driver.state.status == "failed" else EXIT_DONE


@contextlib.contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """Whoever closes a pipe has seen all that was wanted: ``watch | grep -m1 run-finished``."""
    with contextlib.suppress(BrokenPipeError):
        yield


def _print_event(event: EventRecord) -> None:
    print_json(event.model_dump(mode="json"))

"""``glov ctl``: a run that is under way, driven by scripts and agents. JSON in, JSON out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from engine.common.errors import JournalError, UserError
from engine.common.names import quoted
from engine.common.record import Count, Share
from engine.common.validation import problem
from engine.config.toml_file import parse_override, parse_value
from engine.prompts.template import normalise
from engine.remote.driver import Driver, NotDone
from engine.remote.stopping import stop_engine
from engine.run import events as ev
from engine.run.commands import Command, InjectTemplate, MakeEdit, Pause, Resume, StepOnce, UndoEdit
from engine.run.edits import BanTemplate, ChooseAnchors, Edit, PinTemplate, SetNextPrompt, SetOption
from engine.run.event_record import EventRecord
from engine.run.result import RunResult, summarise
from engine.run.state import RunState
from engine.run.state_facts import Status
from engine.storage.journal import is_driven, read_journal, read_state
from engine.storage.run_folder import find_run, run_argument
from engine.storage.run_status import RunStatus, status_now
from glov_tui.commands.arguments import Action
from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, say
from glov_tui.terminal.printing import print_json

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Command, config=ConfigDict(defer_build=True))


@dataclass(frozen=True)
class Asking:
    """Who asks, why, and how."""

    author: str = ""
    reason: str = ""
    takes: bool = False  # the controls, from a screen that has them
    seconds: float | None = 60.0  # for each command; None: as long as it takes
    whole: bool = False  # ``watch``: what was before, too
    telemetry: bool = False  # ``watch``: what is shown and forgotten, too


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
    waits: NotRequired[str]  # the injected template, until the models are there


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
    screens: Screens | None  # null where no engine is at work
    folder: str
    result: RunResult


def control(run: str, action: Action, values: Sequence[str], asking: Asking) -> int:
    """Tell or ask a run something, and print what came of it; returns the exit code.

    Raises:
        UserError: if there is no such run, no engine is at work on it, or the call is wrong.
    """
    folder = find_run(run)
    match action:
        case Action.STATUS:
            _none(action, values)
            return _print_status(folder, asking)
        case Action.WATCH:
            _none(action, values)
            return _watch(folder, asking)
        case Action.STOP:
            _none(action, values)
            stop_engine(folder)
            state = read_state(folder)
            print_json({**_answer("stop", state), "status": status_now(state.status, folder)})
            return EXIT_DONE
    if action is Action.SEND:
        _none(action, values)
    commands = _read(sys.stdin) if action is Action.SEND else None
    with Driver(folder, _name(asking), asking.takes, asking.seconds) as driver:
        asked = commands if commands is not None else _commands(action, values, driver.state)
        code = EXIT_DONE
        for command in asked:
            if isinstance(command, MakeEdit | UndoEdit | InjectTemplate):
                said = {"author": asking.author, "reason": asking.reason}
                update = {k: v for k, v in said.items() if v and not getattr(command, k)}
                command = command.model_copy(update=update)
            answer = _do(driver, command)
            print_json(answer)
            if not answer["done"]:
                code = EXIT_FAILED
    return code


def _name(asking: Asking) -> str:
    return asking.author or "glov ctl"


def _do(driver: Driver, command: Command) -> Answer:
    try:
        fact = driver.do(command)
    except NotDone as error:
        return _answer(command.kind, driver.state, str(error))
    answer = _answer(command.kind, driver.state)
    if isinstance(fact, ev.Edited):
        answer["edit"] = _edit(fact)
    elif isinstance(fact, ev.TemplateInjected):
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


def _edit(made: ev.Edited) -> EditMade:
    return {
        "number": made.number,
        "edit": made.edit.describe(),
        "from_step": made.step,
        "author": made.author,
        "reason": made.reason,
    }


# -- commands -------------------------------------------------------------------------------------


def _commands(action: Action, values: Sequence[str], state: RunState) -> list[Command]:
    """What an action with these values asks for.

    Raises:
        UserError: if there are too many, too few or wrong ones.
    """
    match action:
        case Action.PAUSE | Action.RESUME | Action.UNDO:
            _none(action, values)
            made: dict[Action, Callable[[], Command]] = {
                Action.PAUSE: Pause, Action.RESUME: Resume, Action.UNDO: UndoEdit
            }  # fmt: skip
            return [made[action]()]
        case Action.STEP:
            return [StepOnce()] * _steps(values)
        case Action.INJECT:
            texts = [line.strip() for line in sys.stdin] if list(values) == ["-"] else values
            _some(action, values, "TEMPLATE ...", "- for lines of standard input")
            return [InjectTemplate(text=text) for text in texts if text]
    return [MakeEdit(edit=edit) for edit in _edits(action, values, state)]


def _edits(action: Action, values: Sequence[str], state: RunState) -> list[Edit]:
    match action:
        case Action.EDIT:
            _some(action, values, "KEY.PATH=VALUE ...")
            return [SetOption(key=key, value=value) for key, value in map(parse_override, values)]
        case Action.ALPHA:
            if len(values) != 1:
                raise UserError("alpha takes one number, or auto: glov ctl RUN alpha 2.0")
            key = "steering.alpha"
            return [SetOption(key=key, value=parse_value(values[0], key))]
        case Action.LAYER:
            _some(action, values, "N ...", "auto")
            key = "steering.layers"
            layers = [parse_value(value, key) for value in values]
            return [SetOption(key=key, value="auto" if layers == ["auto"] else layers)]
        case Action.PROMPT:
            return [_prompt(values)]
        case Action.PIN | Action.UNPIN:
            _some(action, values, "TEMPLATE or #RANK ...")
            pinned = action is Action.PIN
            return [PinTemplate(key=_key(value, state), pinned=pinned) for value in values]
        case Action.BAN | Action.ALLOW:
            _some(action, values, "TEMPLATE or #RANK ...")
            banned = action is Action.BAN
            return [BanTemplate(key=_key(value, state), banned=banned) for value in values]
    if list(values) == ["auto"]:
        return [ChooseAnchors(positive=None, negative=None)]
    if len(values) != 2:
        raise UserError("anchors takes two templates or #RANKs, P+ and P-, or auto")
    positive, negative = (_key(value, state) for value in values)
    return [ChooseAnchors(positive=positive, negative=negative)]


def _prompt(values: Sequence[str]) -> SetNextPrompt:
    """The next meta-prompt: a file's text or standard input's."""
    if len(values) != 1:
        raise UserError("prompt takes one file, or - for standard input: the text that is sent")
    if values[0] == "-":
        return SetNextPrompt(system="", user=sys.stdin.read())
    from engine.common.text_file import read_text
    from engine.common.user_path import user_path

    return SetNextPrompt(system="", user=read_text(user_path(values[0])))


def _key(named: str, state: RunState) -> str:
    """The identity of a template that is named by its text, or by its rank: #1 is the best."""
    if not named.startswith("#"):
        return normalise(named)
    ranking = state.ranking
    if not named[1:].isdecimal() or not 1 <= int(named[1:]) <= len(ranking):
        raise UserError(f"there is no rank {quoted(named)}: #1 to #{len(ranking)} are there")
    return ranking[int(named[1:]) - 1].key


def _steps(values: Sequence[str]) -> int:
    if not values:
        return 1
    if len(values) > 1 or not values[0].isdecimal() or int(values[0]) < 1:
        raise UserError(f"step takes a number of steps, 1 or more; got {quoted(' '.join(values))}")
    return int(values[0])


def _none(action: Action, values: Sequence[str]) -> None:
    if values:
        raise UserError(f"{action} takes nothing more; got {quoted(' '.join(values))}")


def _some(action: Action, values: Sequence[str], what: str, other: str = "") -> None:
    if not values:
        raise UserError(f"{action} takes {what}{f', or {other}' if other else ''}")


def _read(lines: Iterator[str]) -> list[Command]:
    """Commands as JSON, one a line (docs/socket.md); all of them are read before any is sent.

    Raises:
        UserError: naming the line that is none.
    """
    commands = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                commands.append(_COMMANDS.validate_json(line))
            except ValidationError as error:
                wrong = problem(error.errors()[0])
                raise UserError(
                    f"line {number} of standard input is no command ({wrong:.200}); "
                    "docs/socket.md lists them"
                ) from None
    return commands


# -- looking --------------------------------------------------------------------------------------


def _print_status(folder: Path, asking: Asking) -> int:
    if is_driven(folder):
        with Driver(folder, _name(asking), seconds=asking.seconds) as driver:
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


def _running(state: RunState, folder: Path, screens: Screens | None) -> Running:
    progress = state.progress if screens is not None else None
    return {
        "status": state.status if screens is not None else status_now(state.status, folder),
        "total_steps": state.config.steps if state.config else None,
        "phase": progress.phase if progress is not None else None,
        "edits": [_edit(edited) for edited in state.edits],
        "waiting": [_edit(edited) for edited in state.pending],
        "pinned": [_text(key, state) for key in sorted(state.pinned)],
        "banned": [_text(key, state) for key in sorted(state.banned)],
        "anchors": [_text(key, state) for key in state.anchors or ()],
        "screens": screens,
        "folder": str(folder),
        "result": summarise(state),
    }


def _text(key: str, state: RunState) -> str:
    template = state.find(key)
    return template.text if template is not None else key


def _watch(folder: Path, asking: Asking) -> int:
    """A line of JSON for each event (docs/journal.md, docs/socket.md) until the run has ended."""
    if not is_driven(folder):
        if not asking.whole:
            raise JournalError(
                f"{folder}: no engine is at work on it. --from-start prints what was; "
                f"`glov resume {run_argument(folder)} --detach` goes on"
            )
        for event in read_journal(folder).events:
            _print_event(event)
        return EXIT_DONE
    with Driver(folder, _name(asking), seconds=None, whole=asking.whole) as driver:
        while (news := driver.next_news()) is not None:
            if isinstance(news, EventRecord) and (news.is_fact or asking.telemetry):
                _print_event(news)
        if driver.session.interrupted:
            say(f"glov: {driver.state.error}")
        return EXIT_FAILED if driver.state.status == "failed" else EXIT_DONE


def _print_event(event: EventRecord) -> None:
    print_json(event.model_dump(mode="json"))

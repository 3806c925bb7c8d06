"""What a call of ``glov ctl`` asks a run for: its words and standard input as commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.common.errors import ConfigError, UserError
from engine.common.names import quoted
from engine.common.ownership import login_name
from engine.common.text_file import LONGEST, decode_text, read_text
from engine.common.user_path import user_path
from engine.common.validation import problem
from engine.config.toml_file import parse_override, parse_value
from engine.prompts.template import normalise
from engine.run.commands import (
    Asked,
    CallOffTests,
    Command,
    InjectTemplate,
    MakeEdit,
    MeasureTest,
    Pause,
    Resume,
    StepOnce,
    UndoEdit,
    WriteNote,
)
from engine.run.edits import BanTemplate, ChooseAnchors, Edit, PinTemplate, SetNextPrompt, SetOption
from engine.run.state import RunState
from glov_tui.commands.arguments import Action

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Command, config=ConfigDict(defer_build=True))
NOBODY_NAMED = "glov ctl"
"""The author where none is said: an edit without any would count as of a person at a screen."""
_MOST_DIGITS = 9  # of a number of steps, or a rank


@dataclass(frozen=True)
class Asking:
    """Who asks, why, and how."""

    author: str = ""
    reason: str = ""
    takes: bool = False  # the controls, from a screen that has them
    seconds: float | None = 60.0  # for each command; None: as long as it takes
    whole: bool = False  # ``watch``: what was before, too
    telemetry: bool = False  # ``watch``: what is shown and forgotten, too

    def signed(self, command: Command) -> Command:
        """A command that is journaled, with who asks and why, where it does not say so itself."""
        if not isinstance(command, Asked):
            return command
        said = {"author": self.author or NOBODY_NAMED, "reason": self.reason}
        return command.model_copy(
            update={key: text for key, text in said.items() if text and not getattr(command, key)}
        )


def check_call(action: Action, values: Sequence[str], asking: Asking) -> None:
    """See that what is said can be sent, before anything is.

    Raises:
        ConfigError: naming what can't.
    """
    for option, text in (("author", asking.author), ("reason", asking.reason)):
        try:
            Asked.model_validate({option: text})
        except ValidationError as error:
            what = f"{problem(error.errors()[0])}; it has {len(text):,}"
            raise ConfigError(f"--{option}: {what if _is_text(text) else 'is no UTF-8'}") from None
    names_a_file = action is Action.PROMPT  # whose name may be any bytes
    wrong = next((v for v in values if not names_a_file and not _is_text(v)), None)
    if wrong is not None:
        raise ConfigError(f"{action} {quoted(wrong)[:200]}: that is no UTF-8, and would be changed")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def commands_of(action: Action, values: Sequence[str], state: RunState) -> Iterable[Command]:
    """What an action with these values asks for.

    Raises:
        UserError: if there are too many, too few or wrong ones.
    """
    match action:
        case Action.PAUSE | Action.RESUME | Action.UNDO:
            no_values(action, values)
            made: dict[Action, Callable[[], Command]] = {
                Action.PAUSE: Pause, Action.RESUME: Resume, Action.UNDO: UndoEdit
            }  # fmt: skip
            return [made[action]()]
        case Action.STEP:
            return repeat(StepOnce(), _steps(values))
        case Action.INJECT:
            texts = _standard_input().splitlines() if list(values) == ["-"] else values
            texts = [text.strip() for text in texts if text.strip()]
            _some(action, texts, "TEMPLATE ...", "- for lines of standard input")
            return [InjectTemplate(text=text) for text in texts]
        case Action.TEST:
            return _tests(values, state)
    return [MakeEdit(edit=edit) for edit in _edits(action, values, state)]


def _tests(values: Sequence[str], state: RunState) -> list[Command]:
    """Templates to measure for a person, the best every N steps, or none any more."""
    if list(values) == ["off"]:
        return [CallOffTests()]
    if values and values[0] == "every":
        if len(values) != 2 or not values[1].isdecimal() or len(values[1]) > _MOST_DIGITS:
            raise UserError("test every takes one number of steps; 0 stops it: test every 5")
        return [MakeEdit(edit=SetOption(key="evaluation.best_every", value=int(values[1])))]
    _some(Action.TEST, values, "TEMPLATE or #RANK ...", "every N, or off")
    return [MeasureTest(key=_key(value, state)) for value in values]


def _edits(action: Action, values: Sequence[str], state: RunState) -> list[Edit]:
    match action:
        case Action.EDIT:
            _some(action, values, "KEY.PATH=VALUE ...")
            return [SetOption(key=key, value=value) for key, value in map(_key_and_value, values)]
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


def note_of(values: Sequence[str], state: RunState, asking: Asking) -> WriteNote:
    """The note that ``note ON TEXT`` is: on a thing, or in place of another note.

    Raises:
        UserError: if it is none.
    """
    if len(values) != 2:
        raise UserError(
            "note takes what it is on (run, step=N, TEMPLATE or #RANK; or note=N, to change that "
            "one) and its text, or - for standard input; note=N with an empty text takes it away"
        )
    on, text = values
    text = _standard_input() if text == "-" else text
    what, equals, number = on.partition("=")
    numbered = bool(equals) and what in ("step", "note")
    if numbered and not (number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS):
        raise UserError(f"note {quoted(on[:40])}: {what}= takes a number")
    if not numbered and on != "run" and state.find(_key(on, state)) is None:
        raise UserError(
            f"note {quoted(on[:80])}: no template of this text was scored; give run, step=N, "
            "note=N, #RANK or a template"
        )
    try:
        return WriteNote(
            text=text,
            number=int(number) if numbered and what == "note" else 0,
            step=int(number) if numbered and what == "step" else None,
            template=None if numbered or on == "run" else _key(on, state),
            author=asking.author or login_name(),
        )
    except ValidationError as error:
        raise UserError(f"note: {problem(error.errors()[0])}") from None


def _prompt(values: Sequence[str]) -> SetNextPrompt:
    """The next meta-prompt: a file's text or standard input's."""
    if len(values) != 1:
        raise UserError("prompt takes one file, or - for standard input: the text that is sent")
    text = _standard_input() if values[0] == "-" else read_text(user_path(values[0]))
    return SetNextPrompt(system="", user=text)


def _key(named: str, state: RunState) -> str:
    """The identity of a template that is named by its text, or by its rank: #1 is the best."""
    if not named.startswith("#"):
        return normalise(named)
    ranking = state.ranking
    rank = _number(named[1:])
    if not 1 <= rank <= len(ranking):
        there = f"#1 to #{len(ranking)} are there" if ranking else "no template is scored yet"
        raise UserError(f"there is no rank {quoted(named[:20])}: {there}")
    return ranking[rank - 1].key


def _steps(values: Sequence[str]) -> int:
    if not values:
        return 1
    steps = _number(values[0])
    if len(values) > 1 or steps < 1:
        got = quoted(" ".join(values)[:60])
        raise UserError(f"step takes a number of steps, 1 or more; got {got}")
    return steps


def _number(text: str) -> int:
    """A whole number over 0; 0 where it is none, or has more digits than any has here."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def _key_and_value(text: str) -> tuple[str, object]:
    key, _, _ = text.partition("=")
    if "=" not in text or not all(part.strip() for part in key.split(".")):
        raise UserError(f"edit {quoted(text)[:80]}: write KEY.PATH=VALUE, e.g. steering.alpha=0.5")
    return parse_override(text)


def no_values(action: Action, values: Sequence[str]) -> None:
    """
    Raises:
        UserError: if there are any.
    """
    if values:
        raise UserError(f"{action} takes nothing more; got {quoted(' '.join(values))}")


def _some(action: Action, values: Sequence[str], what: str, other: str = "") -> None:
    if not values:
        raise UserError(f"{action} takes {what}{f', or {other}' if other else ''}")


def read_commands() -> list[Command]:
    """Commands on standard input as JSON, one a line (docs/socket.md); all are read before any is
    sent.

    Raises:
        UserError: naming the line that is none.
    """
    commands = []
    for number, line in enumerate(_standard_input().split("\n"), 1):
        if line.strip():
            try:
                commands.append(_COMMANDS.validate_json(line))
            except ValidationError as error:
                wrong = error.errors()[0]
                field = ".".join(part for part in wrong["loc"][1:] if isinstance(part, str))
                said = f"{field}: {problem(wrong)}" if field else problem(wrong)
                raise UserError(
                    f"line {number} of standard input is no command ({said:.200}); "
                    "docs/socket.md lists them"
                ) from None
    if not commands:
        raise UserError("standard input holds no command; docs/socket.md lists them")
    return commands


def _standard_input() -> str:
    """
    Raises:
        UserError: if it can't be read, or is no UTF-8.
    """
    what = "standard input"
    try:
        data = sys.stdin.buffer.read(LONGEST + 1)
    except OSError as error:
        raise UserError(f"{what} can't be read: {error.strerror or error}") from error
    return decode_text(data, what)

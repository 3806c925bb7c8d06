"""What goes over a run's socket, one JSON object a line.

To a screen: a ``Greeting``, all facts of the journal, telemetry, and then both as they come. To
the engine: ``Join``, and commands once the screen holds the controls.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from engine.common.record import Record, to_json
from engine.remote.controls import Controls, Role
from engine.run.commands import Command
from engine.run.events import Event
from engine.storage.journal_lines import unsealed

PROTOCOL_VERSION = 6
LONGEST_NAME = 40
LONGEST_LINE = 256 * 1024  # bytes


class Greeting(Record):
    """The first line to everybody who connects."""

    kind: Literal["greeting"] = "greeting"
    protocol: int = PROTOCOL_VERSION
    glov: str = ""  # version, for messages
    pid: int = 0  # of the engine's process


class ControlsChanged(Record):
    """Who watches and who holds the controls. The first one says that the screen is up to date."""

    kind: Literal["controls-changed"] = "controls-changed"
    you: int  # the number of this screen
    controls: Controls


class Refused(Record):
    """Something that was sent is not done, and why."""

    kind: Literal["refused"] = "refused"
    message: str


class Join(Record):
    """Be a screen: be shown the run, and be able to hold the controls."""

    kind: Literal["join"] = "join"
    name: Annotated[str, Field(max_length=LONGEST_NAME)]  # for other people; clean before showing
    role: Role = "screen"  # a watcher is never given the controls


class TakeControls(Record):
    """Hold the controls from now on, whoever has them."""

    kind: Literal["take-controls"] = "take-controls"


Request = Annotated[Join | TakeControls | Command, Field(discriminator="kind")]
Message = Annotated[
    Greeting | ControlsChanged | Refused | Event,
    Field(discriminator="kind"),
]

_REQUESTS: TypeAdapter[Request] = TypeAdapter(Request, config=ConfigDict(defer_build=True))
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Message, config=ConfigDict(defer_build=True))


def parse_request(line: bytes) -> Request:
    """Read a line from a screen.

    Raises:
        pydantic.ValidationError: if it is no JSON, of an unknown kind, or malformed.
    """
    return _REQUESTS.validate_json(line)


def parse_message(line: bytes) -> Message:
    """Read a line from the engine.

    Raises:
        pydantic.ValidationError: if it is no JSON, of an unknown kind, or malformed.
    """
    return _MESSAGES.validate_json(unsealed(line)[0])  # facts come as the journal has them


def format_line(message: Record) -> bytes:
    """A message of either side as its line."""
    return to_json(message).encode() + b"\n"

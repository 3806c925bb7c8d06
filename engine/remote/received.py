"""What an engine says over one connection, folded into the run as it tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from engine.common.errors import JournalError
from engine.common.validation import problem
from engine.common.versions import own_versions
from engine.remote.messages import (
    PROTOCOL_VERSION,
    ControlsChanged,
    Greeting,
    Message,
    Refused,
    parse_message,
)
from engine.run import events as ev
from engine.run.state import RunState
from engine.storage.run_folder import run_argument


class Received:
    """The run, and who has the controls, by what has come so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rest = b""  # the beginning of a line
        self.state = RunState()
        self.engine_pid: int | None = None
        self.controls: ControlsChanged | None = None
        self.is_current = False  # all that was there at the time of the connection has come
        self.refused = ""  # why this screen was turned away, if it was

    def take(self, data: bytes) -> Iterator[tuple[Message, bool]]:
        """Take in bytes; yields each message once it is folded, and whether it is news.

        Raises:
            JournalError: if the engine speaks otherwise than this glov.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message, is_news = self._parse(line), self.is_current
            self._apply(message)
            yield message, is_news

    def warn(self, message: str) -> None:
        """A warning of this side."""
        self.state = self.state.apply(ev.Warned(message=message))

    def _parse(self, line: bytes) -> Message:
        try:
            return parse_message(line)
        except ValidationError as error:
            raise JournalError(
                f"{self._folder}: the engine's process says what this glov does not understand "
                f"({problem(error.errors()[0]):.200}); use the glov that started it"
            ) from None

    def _apply(self, message: Message) -> None:
        match message:
            case Greeting():
                self.engine_pid = message.pid
                if message.protocol != PROTOCOL_VERSION:
                    raise JournalError(
                        f"{self._folder} is driven by glov {message.glov}, which speaks protocol "
                        f"{message.protocol} and this one {PROTOCOL_VERSION}; "
                        + self._how_to_meet(message)
                    )
            case ControlsChanged():
                self.controls = message
                self.is_current = True
            case Refused():
                self.refused = "" if self.is_current else message.message
                self.warn(message.message)
            case _:
                self.state = self.state.apply(message)

    def _how_to_meet(self, engine: Greeting) -> str:
        if engine.glov != own_versions()["glov-tui"]:
            return "use that one"
        name = run_argument(self._folder)  # a checkout, or an installation that was replaced
        return (
            "both have this version, but not the same files: glov was changed since the run "
            f"started. `glov stop {name}`, then `glov resume {name}` goes on with these"
        )

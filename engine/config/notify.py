"""The table ``notify`` of the user's file: who is told what of a run, and how.

The run knows nothing of it: see ``engine.config.user_file``. An address may hold a token, so it is
kept where it does not show itself, and messages on what is wrong show no value of these keys.
"""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError

from engine.common.errors import ConfigError, UserError
from engine.common.user_path import user_path
from engine.common.validation import problem
from engine.config.section import Section
from engine.config.user_file import read_user_file, user_file

Occasion = Literal["finished", "failed", "stalled", "new-best"]
OCCASIONS: tuple[Occasion, ...] = get_args(Occasion)
Dialect = Literal["auto", "osc9", "osc777", "osc99", "off"]

TABLE = "notify"
_SHELLS_VARIABLE = re.compile(r"\$\{?(GLOV_NEWS_[A-Z_]+)")


def _as_words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


class NotifyConfig(Section):
    """What a person is told of while away from the screen, and by what."""

    on: tuple[Occasion, ...] = Field(OCCASIONS, description="what is told of")
    every: float = Field(
        300.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="seconds between two tellings of a new best, and before the first one",
    )
    stalled_after: float = Field(
        900.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="seconds in which a run that is not paused does nothing at all, not even a "
        "token, before it is told of as stalled; 0: never",
    )
    terminal: Dialect = Field(
        "auto",
        description="how the terminal is told: osc9 (iTerm2), osc777 (Ghostty, WezTerm, urxvt), "
        "osc99 (kitty), by what terminal it is (auto), or not at all (off)",
    )
    always: bool = Field(False, description="tell the terminal while it has the focus, too")
    progress: Literal["auto", "on", "off"] = Field(
        "auto", description="progress in the terminal's tab or task bar (OSC 9;4)"
    )
    command: Annotated[tuple[str, ...], BeforeValidator(_as_words)] = Field(
        (), description="a program and its arguments, run by the engine without a shell"
    )
    webhook: SecretStr | None = Field(
        None, description="an address that the news are posted to as JSON, by the engine"
    )
    webhook_env: str | None = Field(
        None, description="the environment variable that holds the address, in place of `webhook`"
    )
    timeout: float = Field(
        10.0,
        gt=0,
        le=600,
        allow_inf_nan=False,
        description="seconds for the command, and for each try of the webhook",
    )
    retries: int = Field(3, ge=0, le=10, description="of the webhook, later each time")

    def address(self) -> str | None:
        """Where news are posted to; None where to nowhere.

        Raises:
            ConfigError: if it is no address. It is not shown.
        """
        named = self.webhook_env
        text = self.webhook.get_secret_value() if self.webhook is not None else None
        if named is not None:
            if text is not None:
                raise ConfigError("notify.webhook and notify.webhook_env: give one of them")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", named):
                raise ConfigError(
                    "notify.webhook_env should be the name of an environment variable; the address "
                    "itself belongs into that variable, or in notify.webhook"
                )
            text = os.environ.get(named, "").strip()
            if not text:
                raise ConfigError(f"notify.webhook_env: {named} is not set in the environment")
        if text is None:
            return None
        wrong = _address_problem(text)
        if wrong is not None:
            raise ConfigError(f"notify.{'webhook' if named is None else 'webhook_env'} {wrong}")
        return text

    def program(self) -> tuple[str, ...]:
        """The command with its program as it is to be started; empty where there is none.

        Raises:
            ConfigError: if it is a path that can't be.
        """
        if not self.command or not self.command[0].strip():
            return ()
        name, *arguments = self.command
        if "/" in name:
            try:
                path = user_path(name)
            except UserError as error:
                raise ConfigError(f"notify.command: {error}") from None
            if not path.is_absolute():  # never one of the folder that glov happens to be in
                path = user_file().parent / path
            name = str(path)
        named = next(filter(None, map(_SHELLS_VARIABLE.search, arguments)), None)
        if named is not None and "-c" not in arguments:
            raise ConfigError(
                f"notify.command: no shell reads it, so ${named[1]} would be taken as it stands "
                'there; give it to one: command = ["sh", "-c", "... \\"$GLOV_NEWS_TEXT\\""]'
            )
        if any("\0" in word for word in (name, *arguments)):
            raise ConfigError("notify.command: there is a zero byte in it")
        return (name, *arguments)


def _address_problem(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme not in ("http", "https") or not host or not plain:
        return "should be an address that begins with https:// or http:// (it is not shown here)"
    if parts.username is not None or parts.password is not None:
        return "should have no user name or password before its host"
    return None


def read_notify(file: Path | None = None) -> NotifyConfig:
    """What the user's file says of telling; the defaults where it says nothing.

    Raises:
        UserError: as ``read_user_file``, or naming a key that is wrong. No value is shown.
    """
    path = user_file() if file is None else file
    table: Mapping[str, Any] = read_user_file(path).get(TABLE, {})
    try:
        return NotifyConfig.model_validate(table)
    except ValidationError as error:
        lines = [f"{_key(detail['loc'])}: {problem(detail)}" for detail in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(dict.fromkeys(lines))}") from None
    except ValueError as error:  # quotes of a command that are not closed
        raise ConfigError(f"{path}: {TABLE}.command: {error}") from None


def _key(location: tuple[int | str, ...]) -> str:
    named = [str(part) for part in location if not isinstance(part, int)][:1]
    return ".".join((TABLE, *named))

"""What can go wrong with a server, in words, without the key.

Every text of a server is somebody else's: it is cut, put on one line and cleaned of the key.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import openai

from engine.common.errors import ModelError
from engine.common.wording import counted
from engine.config import LLMConfig
from engine.llm.served.key import Key

_LONGEST = 300  # characters of what a server said


class TornReply(Exception):
    """The stream ended before the reply did. ``empty``: without any part of a reply."""

    def __init__(self, empty: bool = False) -> None:
        super().__init__("torn reply")
        self.empty = empty


class SilentServer(Exception):
    """Nothing came for ``llm.timeout`` seconds in the middle of a stream."""


def broken_stream(error: Exception, empty: bool) -> Exception:
    """What a stream was broken by: silence, an error that the server told, or the connection.

    Early versions of the package let the errors of the HTTP library through, which has two names.
    """
    if isinstance(error, openai.APITimeoutError) or any(
        kind.__name__ == "TimeoutException" for kind in type(error).__mro__
    ):
        return SilentServer()
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIConnectionError):
        return error
    return TornReply(empty)


def failure(
    error: Exception, config: LLMConfig, key: Key, models: Iterable[str] = ()
) -> ModelError:
    """The error for the user; ``models`` are those that the server is known to have."""
    return ModelError(key.scrub(_sentence(error, config, key, list(models))))


def _sentence(error: Exception, config: LLMConfig, key: Key, models: list[str]) -> str:
    where = f"the server {config.base_url}"
    tries = f" (asked up to {counted(config.retries + 1, 'time')}: llm.retries)"
    match error:
        case openai.APIStatusError():
            return _status_sentence(error, config, key, models, where, tries)
        case openai.APITimeoutError() | SilentServer():
            return (
                f"{where} gave no sign for {config.timeout:g} s{tries}. It may be overloaded or "
                "still loading its model; llm.timeout is how long is waited"
            )
        case openai.APIConnectionError():
            return f"{_unreachable(error, where)}{tries}"
        case TornReply(empty=True):
            return (
                f"{where} replied without choices{tries}: it may speak another API than OpenAI's "
                "chat completions. llm.base_url mostly ends in /v1"
            )
        case TornReply():
            return f"{where} ended its reply in the middle{tries}; `glov resume` goes on"
        case openai.APIError():
            return f"{where} broke off with an error: {said_by(error.body) or said_by(str(error))}"
    return f"{where} can't be understood: {type(error).__name__}: {said_by(str(error))}"


def _status_sentence(
    error: openai.APIStatusError,
    config: LLMConfig,
    key: Key,
    models: list[str],
    where: str,
    tries: str,
) -> str:
    status, said = error.status_code, said_by(error.body)
    ending = f". It said: {said}" if said else ""
    env = config.api_key_env
    if status == 401:
        mend = (
            f"does not take the key in {env}: check that it is right and of this server"
            if key.is_given
            else f"wants a key: set {env}, or name another variable by llm.api_key_env"
        )
        return f"{where} {mend}{ending}"
    if status == 403:
        return f"{where} does not let this key use {config.model!r}{ending}"
    if status == 402 or (status == 429 and error.code == "insufficient_quota"):
        return f"{where} says that the account has no credit left{ending}"
    if status == 404 or (status < 429 and names(said, config.model)):
        if config.model in models:
            return (
                f"{where} lists the model {config.model!r} and has no chat completions for it at "
                f"this address (HTTP {status}). Check llm.base_url, which mostly ends in /v1, and "
                f"whether the model is one that chats{ending}"
            )
        known = f" It has: {', '.join(models[:5])}" if models else ""
        more = f" and {len(models) - 5} more" if len(models) > 5 else ""
        return (
            f"{where} has no model {config.model!r}, or no chat completions at this address "
            f"(HTTP {status}). Check llm.model and llm.base_url, which mostly ends in /v1.{known}"
            f"{more}{ending}"
        )
    wait = error.response.headers.get("retry-after", "")
    if wait.isdigit() and (status == 429 or status >= 500):
        ending = f". It asks to come back after {wait[:9]} s{ending}"
    if status == 429:
        return (
            f"{where} limits the rate of requests{tries}; fewer at once (llm.concurrency) or more "
            f"patience (llm.retries) may do{ending}"
        )
    if status >= 500 or status in (408, 409):
        return f"{where} has failed (HTTP {status}){tries}{ending}"
    return f"{where} refuses the request (HTTP {status}){ending}"


def _unreachable(error: BaseException, where: str) -> str:
    """Why there is no connection, as the causes say."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case socket.gaierror():
                return f"{where} is not known: there is no host of that name (llm.base_url)"
            case ConnectionRefusedError():
                return f"{where} does not answer: nothing listens there. Start it (llm.base_url)"
            case ssl.SSLError():
                return f"{where} can't be trusted: {said_by(str(cause))}"
        cause = cause.__cause__ or cause.__context__
    last = error.__cause__ or error
    said = said_by(str(last)) or f"the connection broke off ({type(last).__name__})"
    return f"{where} can't be reached: {said}"


def names(said: str, word: str) -> bool:
    """Whether a sentence has this very word, quoted or not."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said) is not None


def said_by(body: Any) -> str:
    """What a server said, from the body of its answer: one line, not too long."""
    while isinstance(body, Mapping):
        inner = next((body[k] for k in ("error", "message", "detail", "msg") if body.get(k)), None)
        body = str(dict(body)) if inner is None else inner
    if isinstance(body, list) and body:
        return said_by(body[0])
    text = " ".join(str(body or "").split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""A client of a server by the ``openai`` package, which repeats what failed, later each time.

What is waited for, and why, is told while it is: a rate limit may take minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

from engine.config import LLMConfig
from engine.llm.served.key import Key

_CONNECT_SECONDS = 10.0
_BUSY = 429
_RETRY_HEADER = "x-stainless-retry-count"  # of the package: which try a request is
LOOK_SECONDS, LOOKS = 15.0, 2  # for what only lists models: how long, and how often


class Mood:
    """Why nothing comes at present, in a few words; empty where nothing is wrong."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self.reason = ""
        self.was_limited = False  # the rate of requests

    async def on_request(self, request: Any) -> None:
        """A request is sent; the package says in a header which try it is."""
        tries = int(request.headers.get(_RETRY_HEADER, 0))
        if tries and not self.reason:
            self.reason = f"no answer, try {tries + 1} of {self._retries + 1}"

    async def on_response(self, response: Any) -> None:
        """The head of a response is there."""
        status = response.status_code
        if status < 400:
            return
        if status == _BUSY:
            self.was_limited = True
            wait = response.headers.get("retry-after", "")
            self.reason = f"rate limit, {wait[:6]} s" if wait.isdigit() else "rate limit"
        elif status >= 500 or status in (408, 409):
            self.reason = f"server error {status}"


def make_client(config: LLMConfig, key: Key, mood: Mood) -> openai.AsyncOpenAI:
    """The client, to be used and closed in one event loop."""
    timeout = openai.Timeout(config.timeout, connect=min(_CONNECT_SECONDS, config.timeout))
    hooks: dict[str, list[Callable[..., Any]]] = {
        "request": [mood.on_request],
        "response": [mood.on_response],
    }
    return openai.AsyncOpenAI(
        api_key=key.reveal(),
        base_url=config.base_url,
        max_retries=config.retries,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(event_hooks=hooks, timeout=timeout),
    )


def list_models(config: LLMConfig, key: Key) -> tuple[str, ...] | None:
    """The names of the models that the server says it has; None where it does not say.

    Raises:
        openai.OpenAIError: if it does not answer, or not to this key.
    """
    timeout = min(LOOK_SECONDS, config.timeout)
    with openai.OpenAI(
        api_key=key.reveal(), base_url=config.base_url, max_retries=LOOKS - 1, timeout=timeout
    ) as client:
        try:
            listed = client.models.list().data
        except (openai.NotFoundError, openai.BadRequestError):
            return None
        except openai.APIStatusError as error:
            if error.status_code in (405, 501):
                return None
            raise
        except openai.APIResponseValidationError:
            return None
    if not isinstance(listed, list):  # it answers, with something else
        return None
    return tuple(str(model.id) for model in listed)

"""What a server is asked, and what it turned out not to take.

Servers that speak OpenAI's API differ in what else they take. All that may help is sent until the
server refuses it by name; it is left out from then on, and said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from engine.config import LLMConfig, SamplingConfig
from engine.llm.served.failures import names, said_by
from engine.prompts.message import Message

_SEED_BITS = 31  # servers take no more, some of them

# In the order in which they are given up where a server does not say what it refuses.
_SPARE = ("n", "top_k", "stream_options", "seed")
_UNSUPPORTED = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unexpected|unknown|not permitted|not allowed|extra",
    re.IGNORECASE,
)
_LEFT_OUT = {
    "top_k": "sampling.top_k makes no difference",
    "seed": "its replies are drawn anew each time",
    "temperature": "it has a temperature of its own",
    "top_p": "it has a top-p of its own",
    "stream_options": "it may not say how many tokens a reply had",
}


class Requests:
    """Makes requests to one server, and learns from its refusals."""

    def __init__(self, config: LLMConfig) -> None:
        self._config = config
        self._refused: set[str] = set()
        self._limit = "max_tokens"  # known everywhere but to some of OpenAI's newest models
        self._many = True  # whether one request may be for several replies

    @property
    def asks_for_many(self) -> bool:
        """Whether one request is for several replies."""
        return self._many and "n" not in self._refused

    def gave_one(self) -> None:
        """A request for several replies got one: they are asked for one by one from now on."""
        self._many = False

    def fields(
        self, messages: Sequence[Message], sampling: SamplingConfig, seed: int, replies: int
    ) -> dict[str, Any]:
        """The arguments of ``chat.completions.create``."""
        longest = sampling.max_new_tokens
        longest += sampling.thinking_tokens if self._config.thinks else 0
        spare: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed & ((1 << _SEED_BITS) - 1),
            "stream_options": {"include_usage": True},
        }
        if sampling.top_k:
            spare["extra_body"] = {"top_k": sampling.top_k}
        if replies > 1:
            spare["n"] = replies
        return {
            "model": self._config.model,
            "messages": as_asked(messages),
            "stream": True,
            self._limit: longest,
            **{k: v for k, v in spare.items() if _own_name(k) not in self._refused},
        }

    def learn(self, error: openai.APIStatusError, sent: Mapping[str, Any]) -> list[str] | None:
        """Leave out what the server refused of what was sent.

        Returns sentences on what that changes; None if nothing is to be left out, so that asking
        again would be of no use.
        """
        fields = {_own_name(name) for name in sent}
        if fields & self._refused or self._limit not in fields:
            return []  # another request has learned it meanwhile
        said = said_by(error.body)
        if "max_completion_tokens" in said and self._limit == "max_tokens":
            self._limit = "max_completion_tokens"
            return []
        refused = {n for n in _SPARE if n in fields and _refuses(n, said, error.param)}
        if _UNSUPPORTED.search(said):
            drawing = ("temperature", "top_p")
            refused |= {n for n in drawing if n in fields and _refuses(n, said, error.param)}
        if not refused and not error.param and not names(said, self._config.model):
            refused = fields & set(_SPARE)
        self._refused |= refused
        if not refused:
            return None
        return [
            f"{self._config.base_url} takes no {name}, so it is not sent: {_LEFT_OUT[name]}"
            for name in sorted(refused & set(_LEFT_OUT))
        ]


def as_asked(messages: Sequence[Message]) -> list[Message]:
    """The messages as every server takes them: none of them begins the reply.

    Servers differ in what they make of a last message of the assistant: some go on from there,
    some begin another reply, some refuse it. So the LLM is asked in words to begin with it.
    """
    *asked, last = messages
    if last["role"] != "assistant":
        return [*asked, last]
    begin = last["content"].strip()
    request = f"Begin your reply with these very words, and go on from there: {begin}"
    if asked and asked[-1]["role"] == "user":
        request = f"{asked.pop()['content']}\n\n{request}"
    return [*asked, {"role": "user", "content": request}]


def _refuses(name: str, said: str, param: str | None) -> bool:
    """Whether a refusal is of this field; a letter by itself is one only in quotes."""
    if param:
        return param.split(".")[0] == name
    if len(name) > 1:
        return names(said, name)
    return re.search(f"['\"`]{name}['\"`]", said) is not None


def _own_name(name: str) -> str:
    """``extra_body`` has one field."""
    return "top_k" if name == "extra_body" else name

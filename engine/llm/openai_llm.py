"""``OpenAILLM``: a language model on any server that speaks OpenAI's chat API.

It is asked and never steered: a server gives no hidden states. Replies come as streams, in one
request for all of them where the server takes that, else in several at once. A server may forget
seeds, so that its replies can't be made again; what came is in the journal.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import replace
from typing import Any

import openai

from engine.common.errors import ModelError
from engine.common.wording import counted
from engine.config import LLMConfig, Pooling, SamplingConfig
from engine.llm.interface import News, Remark, Reply, Spending, TokenColumn, Waiting
from engine.llm.loading import Progress
from engine.llm.refusals import not_steerable
from engine.llm.served.asking import Asking, Piece
from engine.llm.served.client import Mood
from engine.llm.served.incoming import IncomingReply, counted_tokens
from engine.llm.served.key import Key, read_key
from engine.llm.served.models import models_of
from engine.llm.served.request import Requests
from engine.llm.served.worker import run_in_thread
from engine.prompts.message import Message
from engine.steering.direction import Direction, Steering
from engine.steering.measures import LayerLens

_SILENCE = 3.0  # seconds without a token that are worth a word
_TICK = 0.2  # seconds between two moments in which one can pause or stop


class OpenAILLM:
    """A ``LanguageModel`` out of this process."""

    layers = 0
    chats = True
    thinks_first = False

    def __init__(self, config: LLMConfig, key: Key, models: Sequence[str] = ()) -> None:
        """``models``: those that the server says it has, for messages."""
        self._config = config
        self._key = key
        self._models = models
        self._requests = Requests(config)
        self._spending = Spending()
        self._remarked: set[str] = set()

    @classmethod
    def load(cls, config: LLMConfig, progress: Progress) -> OpenAILLM:
        """Find the key and look whether the server answers; nothing is asked of a model yet.

        Raises:
            ModelError: if there is no key, no such server, or it does not take the key.
        """
        progress(f"the models of {config.base_url}")
        return cls(config, read_key(config), models_of(config) or ())

    @property
    def name(self) -> str:
        """As in ``llm.model``."""
        return self._config.model

    @property
    def revision(self) -> str:
        """Its name is all that tells it from others."""
        return f"served {self._config.model}"

    @property
    def spending(self) -> Spending:
        """What the server has counted since it was loaded."""
        return self._spending

    def most_tokens(self, sampling: SamplingConfig) -> int:
        """How many tokens a reply may have: with a thought, where ``llm.thinks``."""
        thought = sampling.thinking_tokens if self._config.thinks else 0
        return sampling.max_new_tokens + thought

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[News, None, list[Reply]]:
        """One reply per seed; yields what came of all of them, and while nothing comes.

        Raises (at the first ``next``, or later):
            ModelError: if it is to be steered, or the server fails, refuses, or breaks off.
        """
        if steering is not None or trace:
            raise ModelError(not_steerable(self.name, "openai"))
        replies = [IncomingReply(self._key) for _ in seeds]
        mood = Mood(self._config.retries)

        def work(put: Callable[[Piece | Remark], None]) -> Coroutine[Any, Any, None]:
            asking = Asking(
                config=self._config,
                key=self._key,
                models=self._models,
                requests=self._requests,
                mood=mood,
                count=self._count,
                put=put,
            )
            return asking.ask_all(replies, messages, sampling, seeds)

        arrivals, last = run_in_thread(work, _TICK), time.monotonic()
        with contextlib.closing(arrivals):
            for arrived in arrivals:
                for remark in (item for item in arrived if isinstance(item, Remark)):
                    yield from self._once(remark.text)
                pieces = [item for item in arrived if isinstance(item, Piece)]
                if pieces:
                    last = time.monotonic()
                    yield _column(pieces, replies)
                else:
                    yield Waiting(mood.reason or _silence(time.monotonic() - last))
        found = [reply.reply() for reply in replies]
        yield from self._remarks(replies, found, mood)
        return found

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """Refused in words."""
        raise ModelError(not_steerable(self.name, "openai"))

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """Refused in words."""
        raise ModelError(not_steerable(self.name, "openai"))

    def _once(self, text: str) -> Generator[News, None, None]:
        if text not in self._remarked:
            self._remarked.add(text)
            yield Remark(text)

    def _remarks(
        self, replies: Sequence[IncomingReply], found: Sequence[Reply], mood: Mood
    ) -> Generator[News, None, None]:
        filtered = sum(reply.finish_reason == "content_filter" for reply in replies)
        if filtered:
            yield Remark(f"the server's content filter cut {counted(filtered, 'reply', 'replies')}")
        if mood.was_limited:
            yield from self._once(
                f"{self._config.base_url} limits the rate of requests, so some were repeated; "
                "llm.concurrency is how many are made at once"
            )
        if not self._config.thinks and any(reply.finish == "thinking" for reply in found):
            yield from self._once(
                f"{self.name} thinks before it replies, and a thought has used up a reply's "
                "tokens: in a new run set llm.thinks = true, which adds sampling.thinking_tokens"
            )

    def _count(self, usage: openai.types.CompletionUsage | None) -> None:
        """One more request that was replied to."""
        spent = self._spending
        sent = counted_tokens(usage, "prompt_tokens")
        replied = counted_tokens(usage, "completion_tokens")
        if sent is None or replied is None:
            spent = replace(spent, uncounted=spent.uncounted + 1)
        else:
            spent = replace(
                spent, tokens_in=spent.tokens_in + sent, tokens_out=spent.tokens_out + replied
            )
        self._spending = replace(spent, requests=spent.requests + 1)


def _silence(seconds: float) -> str:
    return f"server silent {seconds:.0f} s" if seconds >= _SILENCE else ""


def _column(pieces: Sequence[Piece], replies: Sequence[IncomingReply]) -> TokenColumn:
    """What has arrived, by reply."""
    texts, thoughts = [""] * len(replies), [""] * len(replies)
    for piece in pieces:
        texts[piece.row] += piece.text
        thoughts[piece.row] += piece.thought
    reached = max(reply.pieces for reply in replies)
    return TokenColumn(tuple(texts), tuple(thoughts) if any(thoughts) else (), reached)

"""Asking a server for several replies: in one request where it takes that, else in several at once.

What the server refuses to be told is left out; what breaks off in the middle is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from engine.config import LLMConfig, SamplingConfig
from engine.llm.interface import Remark
from engine.llm.served.client import Mood, make_client
from engine.llm.served.failures import TornReply, broken_stream, failure
from engine.llm.served.incoming import IncomingReply, counted_tokens, pieces_of
from engine.llm.served.key import Key
from engine.llm.served.request import Requests
from engine.prompts.message import Message

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds before a torn reply is asked for again

_MOST_OF_A_TOKEN = 64  # characters

Usage = openai.types.CompletionUsage


@dataclass(frozen=True, slots=True)
class Piece:
    """What a stream added to one reply."""

    row: int
    text: str
    thought: str


@dataclass(frozen=True)
class Asking:
    """One round of replies; its coroutines run in the thread of ``worker``."""

    config: LLMConfig
    key: Key
    models: Sequence[str]  # that the server says it has
    requests: Requests
    mood: Mood
    count: Callable[[Usage | None], None]  # told of each request that was replied to
    put: Callable[[Piece | Remark], None]

    async def ask_all(
        self,
        replies: Sequence[IncomingReply],
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
    ) -> None:
        """Fill in the replies, one a seed.

        Raises:
            ModelError: if the server fails for good.
        """
        limit = asyncio.Semaphore(self.config.concurrency)
        rows = list(range(len(replies)))
        async with make_client(self.config, self.key, self.mood) as client:
            asker = _Asker(self, client, replies, messages, sampling, seeds)
            if len(rows) > 1 and self.requests.asks_for_many:
                await asker.ask(rows)
                left = [row for row in rows if not replies[row].has_ended]
                if 0 < len(left) < len(rows) and not any(replies[row].pieces for row in left):
                    self.requests.gave_one()
                rows = left

            async def one(row: int) -> None:
                async with limit:
                    await asker.ask([row])

            try:
                async with asyncio.TaskGroup() as group:
                    for row in rows:
                        group.create_task(one(row))
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None


@dataclass
class _Asker:
    """Makes the requests of a round with one client."""

    asking: Asking
    client: openai.AsyncOpenAI
    replies: Sequence[IncomingReply]
    messages: Sequence[Message]
    sampling: SamplingConfig
    seeds: Sequence[int]

    async def ask(self, rows: Sequence[int]) -> None:
        """Ask for these replies, again where the stream of a single one breaks off.

        Of several, those that did not end are the caller's to ask for.
        """
        pause = _FIRST_PAUSE
        for left in range(self.asking.config.retries, -1, -1):
            broken = await self._read(rows)
            if broken is None or len(rows) > 1:
                return
            if left == 0:
                raise self._failed(broken) from None
            self.asking.mood.reason = "torn reply, asking again"
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    @property
    def _longest(self) -> int:
        """Characters of a reply and its thought that no tokenizer's tokens could be."""
        sampling = self.sampling
        return _MOST_OF_A_TOKEN * (sampling.max_new_tokens + sampling.thinking_tokens + 64)

    async def _read(self, rows: Sequence[int]) -> Exception | None:
        """Read one stream to its end; returns what broke it, if anything did."""
        for row in rows:
            self.replies[row].begin()
        stream = await self._open(rows)
        usage: Usage | None = None
        broken: Exception | None = None
        seen = False
        try:
            async with stream:
                async for chunk in stream:
                    self.asking.mood.reason = ""
                    usage = chunk.usage or usage
                    for choice in chunk.choices or ():
                        seen = True
                        self._take(rows, choice)
                    if any(self.replies[row].length > self._longest for row in rows):
                        break  # it knows no end, whatever it was told
        except Exception as error:  # the package's, the connection's, or of JSON that was cut
            broken = broken_stream(error, empty=False)
        self.asking.count(usage)
        for row in rows:
            if self.replies[row].length > self._longest:
                self.replies[row].finish_reason = "length"
        if len(rows) == 1:
            reply = self.replies[rows[0]]
            if usage is not None:
                reply.tokens = counted_tokens(usage, "completion_tokens")
                details = getattr(usage, "completion_tokens_details", None)
                reply.thought_tokens = counted_tokens(details, "reasoning_tokens") or None
            if reply.has_ended:
                return None
        return broken or (None if len(rows) > 1 else TornReply(empty=not seen))

    def _take(self, rows: Sequence[int], choice: Any) -> None:
        place = choice.index or 0
        if not isinstance(place, int) or not 0 <= place < len(rows):
            return
        reply = self.replies[rows[place]]
        text, thought = reply.push(*pieces_of(choice.delta))
        if choice.finish_reason is not None:
            reply.finish_reason = str(choice.finish_reason)
        if text or thought:
            self.asking.put(Piece(rows[place], text, thought))

    async def _open(self, rows: Sequence[int]) -> openai.AsyncStream[Any]:
        """The stream of a request, without what the server refuses."""
        requests = self.asking.requests
        told: list[str] = []
        while True:
            seed = self.seeds[rows[0]]
            sent = requests.fields(self.messages, self.sampling, seed, len(rows))
            try:
                stream: openai.AsyncStream[Any] = await self.client.chat.completions.create(**sent)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                remarks = requests.learn(error, sent)
                if remarks is None:
                    raise self._failed(error) from None
                told += remarks
            except Exception as error:
                raise self._failed(error) from None
            else:  # so it was that which the server refused
                for text in told:
                    self.asking.put(Remark(text))
                return stream

    def _failed(self, error: Exception) -> Exception:
        return failure(error, self.asking.config, self.asking.key, self.asking.models)

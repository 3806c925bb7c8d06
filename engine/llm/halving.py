"""An LLM that asks for fewer replies at once where memory runs out, and goes on.

Replies depend on their own seed only, so decoding them in parts changes nothing but rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence

from engine.common.errors import OutOfMemoryError
from engine.config import Pooling, SamplingConfig
from engine.llm.interface import (
    LanguageModel,
    News,
    Remark,
    Reply,
    Spending,
    SteeringShift,
    TokenColumn,
    Waiting,
)
from engine.models.memory import free_memory
from engine.prompts.message import Message
from engine.steering.direction import Direction, Steering
from engine.steering.measures import LayerLens


class HalvingLLM:
    """A ``LanguageModel`` over another one; lives as long as a run, and remembers what fits."""

    def __init__(self, llm: LanguageModel, report: Callable[[str], None]) -> None:
        """
        Args:
            llm: raises ``OutOfMemoryError`` where it can't decode so many replies at once.
            report: gets a sentence when fewer are decoded from then on.
        """
        self._llm = llm
        self._report = report
        self._most: int | None = None  # replies at once that are known to fit, or not to fail

    @property
    def name(self) -> str:
        """As in ``llm.model``."""
        return self._llm.name

    @property
    def revision(self) -> str:
        """As ``LanguageModel.revision``."""
        return self._llm.revision

    @property
    def layers(self) -> int:
        """Number of decoder layers, 0 where hidden states can't be reached."""
        return self._llm.layers

    @property
    def chats(self) -> bool:
        """As ``LanguageModel.chats``."""
        return self._llm.chats

    @property
    def thinks_first(self) -> bool:
        """As ``LanguageModel.thinks_first``."""
        return self._llm.thinks_first

    @property
    def spending(self) -> Spending | None:
        """As ``LanguageModel.spending``."""
        return self._llm.spending

    def most_tokens(self, sampling: SamplingConfig) -> int:
        """As ``LanguageModel.most_tokens``."""
        return self._llm.most_tokens(sampling)

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[News, None, list[Reply]]:
        """As ``LanguageModel.propose``, in as many parts as memory asks for.

        Raises:
            OutOfMemoryError: if a single reply does not fit.
        """
        replies: list[Reply] = []
        shifts: list[SteeringShift] = []
        shown = [0] * len(seeds)  # columns; a reply that is begun again is not shown twice
        while len(replies) < len(seeds):
            start = len(replies)
            part = seeds[start : start + (self._most or len(seeds))]
            work = self._llm.propose(messages, sampling, part, steering, trace)
            try:
                replies += yield from _within(work, start, shown, shifts)
            except OutOfMemoryError:
                if len(part) == 1:
                    raise
            else:
                continue
            free_memory()
            self._most = (len(part) + 1) // 2
            self._report(
                f"out of memory with {len(part)} replies at once: the LLM decodes "
                f"{self._most} at a time from now on"
            )
        if shifts:
            yield _mean(shifts)
        return replies

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """As ``LanguageModel.direction``; two short texts are never too many."""
        return self._llm.direction(positive, negative, pool, aligned)

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """As ``LanguageModel.lens``."""
        return self._llm.lens(direction)


def _within(
    work: Generator[News, None, list[Reply]],
    start: int,
    shown: list[int],
    shifts: list[SteeringShift],
) -> Generator[TokenColumn | Waiting | Remark, None, list[Reply]]:
    """The columns of the replies from ``start`` on, as columns of all replies."""
    column = 0
    while True:
        try:
            news = next(work)
        except StopIteration as finished:
            replies: list[Reply] = finished.value
            return replies
        if isinstance(news, SteeringShift):
            shifts.append(news)
            continue
        if not isinstance(news, TokenColumn):
            yield news
            continue
        texts, thoughts = [""] * len(shown), [""] * len(shown)
        added = zip(news.texts, news.thoughts or ("",) * len(news.texts), strict=True)
        for place, (text, thought) in enumerate(added, start):
            if column >= shown[place]:
                texts[place], thoughts[place] = text, thought
                shown[place] = column + 1
        column += 1
        yield TokenColumn(tuple(texts), tuple(thoughts) if any(thoughts) else (), news.reached)


def _mean(shifts: Sequence[SteeringShift]) -> SteeringShift:
    """Over the tokens of all parts. A token that a part does not name counts there as unchanged."""
    if len(shifts) == 1:
        return shifts[0]
    tokens = sum(shift.tokens for shift in shifts)

    def over(values: Sequence[float]) -> float:
        weighted = (value * s.tokens for value, s in zip(values, shifts, strict=True))
        return math.fsum(weighted) / tokens

    changes: dict[str, float] = {}
    for shift in shifts:
        # Tokens that read the same (bytes of a character): the one that changed most stands.
        for token, change in dict(reversed((*shift.raised, *shift.lowered))).items():
            changes[token] = changes.get(token, 0.0) + change * shift.tokens / tokens
    named = max(len(side) for shift in shifts for side in (shift.raised, shift.lowered))
    by_change = sorted(changes.items(), key=lambda item: item[1])
    return SteeringShift(
        tokens=tokens,
        kl=over([shift.kl for shift in shifts]),
        changed=over([shift.changed for shift in shifts]),
        raised=tuple(item for item in reversed(by_change[-named:]) if item[1] > 0),
        lowered=tuple(item for item in by_change[:named] if item[1] < 0),
    )

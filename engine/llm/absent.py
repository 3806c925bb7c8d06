"""The LLM of a run that asks none."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.common.errors import ModelError
from engine.config import Pooling, SamplingConfig
from engine.llm.interface import News, Reply
from engine.llm.refusals import asks_none
from engine.prompts.message import Message
from engine.steering.direction import Direction, Steering
from engine.steering.measures import LayerLens


@dataclass(frozen=True, slots=True)
class NoLLM:
    """As ``LanguageModel``, without one: what asks it is told so."""

    search: str  # search.kind of the run
    name: ClassVar[str] = ""
    revision: ClassVar[str] = ""
    layers: ClassVar[int] = 0
    chats: ClassVar[bool] = False
    thinks_first: ClassVar[bool] = False
    spending: ClassVar[None] = None

    def most_tokens(self, sampling: SamplingConfig) -> int:
        """There are no replies."""
        return 0

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[News, None, list[Reply]]:
        """Refused."""
        raise ModelError(asks_none(self.search))
        yield

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """Refused."""
        raise ModelError(asks_none(self.search))

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """Refused."""
        raise ModelError(asks_none(self.search))

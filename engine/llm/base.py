"""What the optimiser needs of a language model, and the records that go to and fro.

No heavy import here: arrays are typed for readers, and only ``local`` and ``decoding`` load torch.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from engine.config import Pooling, SamplingConfig, SteeringMode

if TYPE_CHECKING:
    from engine.steering.direction import Direction


class Message(TypedDict):
    """One chat message, as chat templates take it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Steering:
    """An offset to add while decoding: ``alpha * direction.offsets[layer]`` at each layer."""

    direction: Direction
    layers: tuple[int, ...]  # 0-based decoder layers
    alpha: float
    mode: SteeringMode


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished reply. ``finish`` is ``stop`` at an end-of-turn token, else ``length``."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """The text that one decoding step added to each reply; ``""`` for a row that has ended."""

    texts: tuple[str, ...]


class LanguageModel(Protocol):
    """Proposes replies to a chat, several at a time, optionally steered."""

    @property
    def name(self) -> str: ...

    @property
    def layers(self) -> int:
        """Number of decoder layers, 0 where hidden states can't be reached (no steering)."""
        ...

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
    ) -> Generator[TokenColumn, None, list[Reply]]:
        """One reply per seed, decoded as one batch; yields after each token of the batch.

        Reply i depends on ``seeds[i]``, the messages, the sampling and the steering only, never
        on how many others are decoded beside it. Closing the generator abandons the replies and
        takes off every hook.
        """
        ...

    def direction(self, positive: str, negative: str, pool: Pooling) -> Direction:
        """Per-layer offsets from the hidden states of two bare template texts (PAPER, 4)."""
        ...

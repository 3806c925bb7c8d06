"""What the optimiser needs of a language model, and the records that go to and fro.

No heavy import here: arrays are typed for readers, and only ``local`` and ``decoding`` load torch.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from engine.config import AlphaUnit, Pooling, SamplingConfig, SteeringMode
from engine.experiment import LayerLens, TracedReply

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
    alpha_unit: AlphaUnit = "absolute"


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished reply. ``finish`` is ``stop`` at an end-of-turn token, else ``length``."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]
    trace: TracedReply | None = None  # token by token, where it was asked for


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """The text that one decoding step added to each reply; ``""`` for a row that has ended."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SteeringShift:
    """What the offset did to the next-token distributions of one batch: see SteeringMeasured."""

    tokens: int
    kl: float
    changed: float
    raised: tuple[tuple[str, float], ...]
    lowered: tuple[tuple[str, float], ...]


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
        trace: bool = False,
    ) -> Generator[TokenColumn | SteeringShift, None, list[Reply]]:
        """One reply per seed, decoded as one batch; yields after each token of the batch.

        Last comes the shift that the steering made, where both distributions were computed
        anyway. With ``trace`` the replies have it token by token, at twice the cost.

        Reply i depends on ``seeds[i]``, the messages, the sampling and the steering only, never
        on how many others are decoded beside it. Closing the generator abandons the replies and
        takes off every hook.
        """
        ...

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """Per-layer offsets from the hidden states of two bare template texts (PAPER, 4).

        ``aligned``: the texts are padded to the same length, for mode ``actadd``.
        """
        ...

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """What the direction says at each layer, read through the model's head (logit lens)."""
        ...

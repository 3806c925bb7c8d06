"""What the optimiser needs of a language model, and the records that go to and fro.

No heavy import here: only ``transformers_llm`` and ``decoding`` load torch.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.config import Pooling, SamplingConfig
from engine.prompts.message import Finish, Message
from engine.steering.direction import Direction, Steering
from engine.steering.measures import LayerLens, TracedReply


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished reply. ``text`` has what it was begun with, and no thought."""

    text: str
    tokens: int  # of the text, without what it was begun with
    finish: Finish
    trace: TracedReply | None = None  # token by token, where it was asked for
    thought: str = ""
    thought_tokens: int = 0
    begun: str = ""  # what the text was begun with


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """The text that one decoding step added to each reply; ``""`` for a row that has ended.

    ``thoughts`` is what it added to their thoughts: empty if it added nothing to any. ``reached``
    is how long the longest reply is, where that is not the number of columns.
    """

    texts: tuple[str, ...]
    thoughts: tuple[str, ...] = ()
    reached: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing came for a while: a moment in which to pause or stop. ``reason`` may be empty."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence on something that the user should know and the replies survive."""

    text: str


@dataclass(frozen=True, slots=True)
class Spending:
    """What a server has counted since the LLM was loaded."""

    requests: int = 0  # that were replied to
    tokens_in: int = 0
    tokens_out: int = 0  # with thoughts
    uncounted: int = 0  # of the requests: the server did not say their tokens


@dataclass(frozen=True, slots=True)
class SteeringShift:
    """What the offset did to the next-token distributions of one batch: see SteeringMeasured."""

    tokens: int
    kl: float
    changed: float
    raised: tuple[tuple[str, float], ...]
    lowered: tuple[tuple[str, float], ...]


News = TokenColumn | SteeringShift | Waiting | Remark
"""What an LLM yields while it replies."""


class LanguageModel(Protocol):
    """Proposes replies to a chat, several at a time, optionally steered."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str:
        """What tells the model's files from others (``engine.models.identity``), or nothing."""
        ...

    @property
    def layers(self) -> int:
        """Number of decoder layers, 0 where hidden states can't be reached (no steering)."""
        ...

    @property
    def chats(self) -> bool:
        """Whether it takes chats; else it is asked in plain System/User/Assistant lines."""
        ...

    @property
    def thinks_first(self) -> bool:
        """Whether its replies begin with a thought, so that they can't be begun for it."""
        ...

    @property
    def spending(self) -> Spending | None:
        """What its replies have cost since it was loaded; None where nothing is paid for."""
        ...

    def most_tokens(self, sampling: SamplingConfig) -> int:
        """How many tokens a reply may have: with a thought, where one is expected."""
        ...

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[News, None, list[Reply]]:
        """One reply per seed, decoded as one batch; yields after each token of the batch.

        An LLM that waits for a server yields in between, so that one can pause or stop. Last comes
        the shift that the steering made, where both distributions were computed anyway. With
        ``trace`` the replies have it token by token, at twice the cost.

        Reply i depends on ``seeds[i]``, the messages, the sampling and the steering only, never
        on how many others are decoded beside it. Closing the generator abandons the replies and
        takes off every hook.
        """
        ...

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """Per-layer offsets from the hidden states of two bare template texts (docs/glov.md, 4).

        ``aligned``: the texts are padded to the same length, for mode ``actadd``.
        """
        ...

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """What the direction says at each layer, read through the model's head (logit lens)."""
        ...

"""What a run says of its steering: the offsets of a step, and what they did to the replies."""

from typing import Literal

from engine.common.record import Count, Record, Share
from engine.config import Alpha, AlphaUnit, Pooling, SteeringMode
from engine.run.event_record import EventRecord
from engine.steering.soundness import Register


class AlphaTrial(Record):
    """What ``alpha = "auto"`` knows of one alpha: replies sampled with it and their mean reward.

    A reply's reward is the accuracy of its template less that of P+ when it was sampled; a reply
    without a template counts as accuracy 0.
    """

    alpha: Alpha
    replies: Count
    reward: float  # mean, -1 to 1
    spread: float  # standard deviation of the rewards
    rejected: Count = 0  # replies without a template, or whose words repeat


class SteeringPrepared(EventRecord):
    """The offsets of a step: tuples of numbers have one entry per decoder layer."""

    kind: Literal["steering-prepared"] = "steering-prepared"
    step: Count
    positive: str
    negative: str
    mode: SteeringMode
    pool: Pooling
    layers: tuple[Count, ...]
    alpha: Alpha
    norms: tuple[float, ...]  # of H+ - H-
    ratios: tuple[float, ...]  # the same over the mean hidden-state norm
    alpha_unit: AlphaUnit = "absolute"
    hidden_norms: tuple[float, ...] = ()  # mean norm of the hidden states of both templates
    neighbour_cosines: tuple[float, ...] = ()  # with the layer below; layer 0 has 0
    previous_cosines: tuple[float, ...] = ()  # with the last steered step's; empty at the first
    trials: tuple[AlphaTrial, ...] = ()  # with alpha = auto: what the choice rests on
    front: str | None = None  # the token put in front of both texts; None: the tokenizer's own
    sink_shares: tuple[Share, ...] = ()  # of the first position, in the squared norm of H+ - H-
    registers: tuple[Register, ...] = ()  # states of the steered layers that stand out


class SteeringMeasured(EventRecord):
    """What the offset did to the next-token distribution in one attempt's replies.

    Means over all sampled tokens. Only where both distributions were computed anyway: in modes
    whose KV cache is un-steered, with a model that can be decoded packed or with twin rows.
    """

    kind: Literal["steering-measured"] = "steering-measured"
    step: Count
    attempt: Count
    tokens: Count
    kl: float  # KL(steered || unsteered), nats
    changed: Share  # share of tokens that would have been others without steering, 0 to 1
    raised: tuple[tuple[str, float], ...]  # the tokens that gained most, and their mean gain
    lowered: tuple[tuple[str, float], ...]  # the tokens that lost most, mean change below 0

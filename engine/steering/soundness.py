"""Whether steering can be trusted: figures, and the sentences that a user is told. No torch.

Three things make an offset speak of something else than of P+ and P-, or speak too loud:
the attention sink in it, a register in it, and an alpha that leaves nothing of the hidden state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from engine.common.record import Count, Record
from engine.config import AlphaUnit, Pooling, SteeringMode
from engine.steering.modes import MEAN, MODES

REGISTER_TIMES = 10
"""A state of so many times the median norm speaks for the whole text in a mean."""
SINK_DOMINATES = 0.5
"""Share of the squared norm of H+ - H- from which on it is more about the sink than the texts."""
BREAKING = 0.4
"""Norm of what is added over that of the hidden state, from which on replies may break.

Measured (docs/steering.md): SmolLM2-135M is moved at 0.1, loses fluency at 0.4 and is noise at 0.8;
the demo's LLM, which knows nothing else, writes templates up to 0.7.
"""


class Register(Record):
    """The state of one of a template's own tokens that stands out at a layer.

    ``times``: its norm over the median norm of all own tokens of P+ and P-. Models keep notes of
    their own in such states (registers, massive activations), the first token apart.
    """

    layer: Count
    template: Literal["P+", "P-"]
    token: str
    times: float


class Remark(NamedTuple):
    """Something to be said once in a run about each ``key``.

    ``text`` is for the log, ``short`` for a pane; both may hold untrusted text.
    """

    key: str
    level: Literal["info", "warning"]
    text: str
    short: str


class Prepared(Protocol):
    """What is told of a steering: see ``engine.run.events.SteeringPrepared``."""

    @property
    def mode(self) -> SteeringMode: ...
    @property
    def pool(self) -> Pooling: ...
    @property
    def layers(self) -> tuple[int, ...]: ...
    @property
    def alpha(self) -> float: ...
    @property
    def alpha_unit(self) -> AlphaUnit: ...
    @property
    def ratios(self) -> tuple[float, ...]: ...
    @property
    def front(self) -> str | None: ...
    @property
    def sink_shares(self) -> tuple[float, ...]: ...
    @property
    def registers(self) -> tuple[Register, ...]: ...


def strength(
    mode: SteeringMode,
    layers: Sequence[int],
    alpha: float,
    unit: AlphaUnit,
    ratios: Sequence[float],
) -> float | None:
    """Norm of what is added over that of the hidden state; layers add up. None: not known.

    Of cross-attention it is an estimate, since what it adds depends on the state. What ActAdd adds
    to the prompt's first tokens says nothing of how replies read.
    """
    if mode == "off" or MODES[mode].reach == "first" or not layers:
        return None
    if unit == "relative":
        return abs(alpha) * len(layers)
    if max(layers) >= len(ratios):
        return None
    return abs(alpha) * sum(ratios[layer] for layer in layers)


def remarks(prepared: Prepared) -> Iterator[Remark]:
    """What a user should know of a steering before its replies are there."""
    p = prepared
    yield from strength_remarks(p.mode, p.layers, p.alpha, p.alpha_unit, p.ratios)
    yield from _of_sink(prepared)
    yield from _of_registers(prepared)
    literal = prepared.pool in ("paper", "reference") and _uses_mean(prepared)
    if prepared.front is not None and not literal:
        yield Remark(
            "front",
            "info",
            f"the LLM's tokenizer puts no BOS in front of a text: {prepared.front!r} stands in "
            "front of P+ and P- where they are read, so that the attention sink is in no offset",
            f"{prepared.front!r} stands in front of P+ and P-",
        )


def strength_remarks(
    mode: SteeringMode,
    layers: Sequence[int],
    alpha: float,
    unit: AlphaUnit,
    ratios: Sequence[float],
) -> Iterator[Remark]:
    """What to say of so strong a steering, if anything."""
    value = strength(mode, layers, alpha, unit, ratios)
    if value is None or value < BREAKING:
        return
    where = ", ".join(map(str, layers))
    plural = "s" if len(layers) > 1 else ""
    added = "alpha" if unit == "relative" else "alpha times |H+ - H-|"
    most = math.floor(100 * abs(alpha) * BREAKING / value) / 100
    yield Remark(
        f"strength/{mode}/{where}/{alpha}/{unit}",
        "warning",
        f"steering.alpha = {alpha:g} is strong: {added} is {value:.0%} of the hidden states' norm "
        f"at layer{plural} {where}, and from {BREAKING:.0%} on replies may break. "
        f"Up to {most:g} is safer",
        f"alpha {alpha:g}: {value:.0%} of norm, replies may break from {BREAKING:.0%}",
    )


def _uses_mean(prepared: Prepared) -> bool:
    """Whether the offset is made of the pooled states, so that ``pool`` is of importance."""
    return prepared.mode != "off" and MODES[prepared.mode].offset == MEAN


def _of_sink(prepared: Prepared) -> Iterator[Remark]:
    known = dict(enumerate(prepared.sink_shares))
    shares = [(known[layer], layer) for layer in prepared.layers if layer in known]
    share, layer = max(shares, default=(0.0, 0))
    if share < SINK_DOMINATES or not _uses_mean(prepared):
        return
    yield Remark(
        f"sink/{prepared.pool}",
        "warning",
        f"steering.pool = {prepared.pool!r}: the first token's state, an attention sink, makes up "
        f"{share:.0%} of the squared norm of H+ - H- at layer {layer}, so that the offset says "
        "little of P+ and P-. steering.pool = 'no-bos' leaves it out",
        f"sink: {share:.0%} of the squared norm; no-bos drops it",
    )


def _of_registers(prepared: Prepared) -> Iterator[Remark]:
    largest = max(prepared.registers, key=lambda register: register.times, default=None)
    if largest is None:
        return
    what = f"{largest.token!r} in {largest.template}"
    yield Remark(
        "register",
        "warning",
        f"the hidden state of {what} has {largest.times:.0f} times the median norm at layer "
        f"{largest.layer} (a register of the LLM), so that H+ - H- is mostly about it. Another "
        "layer in steering.layers may be free of it",
        f"register: {what}, {largest.times:.0f} times the median",
    )

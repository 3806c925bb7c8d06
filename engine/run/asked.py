"""What each attempt of a run was asked with: its in-context examples, and how it was steered.

Kept for all attempts, so that it can be said of a template, and of its words, what brought it, and
of the steering how it went over time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from engine.config import AlphaUnit, SteeringMode
from engine.run import events as ev


@dataclass(frozen=True, slots=True)
class Steered:
    """How the LLM was steered while it replied: what is kept of ``SteeringPrepared``."""

    mode: SteeringMode
    layers: tuple[int, ...]  # 0-based
    alpha: float
    alpha_unit: AlphaUnit
    positive: str  # identity of P+
    negative: str
    norms: tuple[float, ...] = ()  # of H+ - H-, one for each layer
    ratios: tuple[float, ...] = ()  # the same over the mean hidden-state norm
    trials: tuple[ev.AlphaTrial, ...] = ()  # that alpha was chosen by


@dataclass(frozen=True, slots=True)
class Asked:
    """One attempt of a step, as it was asked."""

    step: int
    attempt: int
    shown: tuple[str, ...]  # identities of the examples, the best first; none in a person's words
    by_person: bool  # a person's own meta-prompt was sent in place of the composed one
    steered: Steered | None = None
    effect: ev.SteeringMeasured | None = None  # of the steering on the replies


History = tuple[Asked, ...]
"""Attempts in the order in which they were asked."""


def with_question(asked: History, event: ev.MetaPromptComposed, by_person: bool) -> History:
    """One more attempt."""
    keys = () if by_person else (*reversed(event.best), *reversed(event.worst))
    shown = tuple(sys.intern(key) for key in keys)  # the same few in every step
    return (*asked, Asked(event.step, event.attempt, shown, by_person))


def with_steering(asked: History, event: ev.SteeringPrepared) -> History:
    """The last attempt was steered so."""
    if not asked or asked[-1].step != event.step:
        return asked
    norms, ratios = event.norms, event.ratios
    before = next((one.steered for one in reversed(asked[:-1]) if one.steered is not None), None)
    if before is not None and (before.norms, before.ratios) == (norms, ratios):
        norms, ratios = before.norms, before.ratios  # as long as P+ and P- stay: kept once
    steered = Steered(
        event.mode,
        event.layers,
        event.alpha,
        event.alpha_unit,
        event.positive,
        event.negative,
        norms,
        ratios,
        event.trials,
    )
    return (*asked[:-1], replace(asked[-1], steered=steered))


def with_effect(asked: History, event: ev.SteeringMeasured) -> History:
    """The last attempt's replies were moved so far by its steering."""
    if not asked or (asked[-1].step, asked[-1].attempt) != (event.step, event.attempt):
        return asked
    return (*asked[:-1], replace(asked[-1], effect=event))

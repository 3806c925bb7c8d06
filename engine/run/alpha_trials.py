"""``steering.alpha = "auto"``: a bandit over the alphas, by what came of the replies of each.

Every alpha is tried once, in the configured order; then Thompson sampling chooses: one number is
drawn for each alpha from the normal posterior of its mean reward, and the highest wins. Random
numbers come from a seed of the step, so a step that is begun again chooses the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.config import AlphaUnit, Pooling, SteeringMode
from engine.run.events import AlphaTrial, SteeringPrepared

PRIOR_SPREAD = 0.2
"""Spread of rewards (accuracies, 0 to 1) that is assumed before replies tell."""
PRIOR_REPLIES = 5
"""Replies that the assumed spread counts as."""


class TrialSetting(NamedTuple):
    """What an alpha was tried with; trials of two settings are never compared."""

    mode: SteeringMode
    pool: Pooling
    layers: tuple[int, ...]
    alpha_unit: AlphaUnit

    @classmethod
    def of(cls, steering: SteeringPrepared) -> TrialSetting:
        """What a step was steered with."""
        return cls(steering.mode, steering.pool, steering.layers, steering.alpha_unit)


def choose_alpha(alphas: Sequence[float], trials: Iterable[AlphaTrial], seed: int) -> float:
    """One of ``alphas``: the first without a reply, else by Thompson sampling.

    Trials of alphas that are not listed only help to tell how much rewards spread.

    Raises:
        ValueError: if there is no alpha to choose from.
    """
    if not alphas:
        raise ValueError("there is no alpha to choose from")
    known = {trial.alpha: trial for trial in trials if trial.replies}
    untried = next((alpha for alpha in alphas if alpha not in known), None)
    if untried is not None:
        return untried
    numbers = random.Random(seed)
    spread = pooled_spread(known.values())
    draws = [
        numbers.gauss(known[alpha].reward, standard_error(known[alpha], spread)) for alpha in alphas
    ]
    return alphas[draws.index(max(draws))]


def pooled_spread(trials: Iterable[AlphaTrial]) -> float:
    """Standard deviation of a reply's reward around its alpha's mean, taken as equal for all.

    An alpha with few replies, equal by chance, would look certain by its own spread.
    """
    known = [trial for trial in trials if trial.replies]
    squares = PRIOR_REPLIES * PRIOR_SPREAD**2
    squares += math.fsum(trial.replies * trial.spread**2 for trial in known)
    return math.sqrt(squares / (PRIOR_REPLIES + sum(trial.replies - 1 for trial in known)))


def standard_error(trial: AlphaTrial, spread: float) -> float:
    """Of the mean reward of a trial with replies, with the spread of all trials."""
    return spread / math.sqrt(trial.replies)


def with_rewards(
    trials: tuple[AlphaTrial, ...], alpha: float, rewards: Sequence[float], broken: int = 0
) -> tuple[AlphaTrial, ...]:
    """The trials with the rewards of one more step of this alpha, in the order of first trial.

    ``broken``: how many of the replies had no template, or repeated their words.
    """
    if not rewards:
        return trials
    index = next((i for i, trial in enumerate(trials) if trial.alpha == alpha), len(trials))
    before = trials[index] if index < len(trials) else _untried(alpha)
    replies = before.replies + len(rewards)
    reward = (before.replies * before.reward + math.fsum(rewards)) / replies
    squares = before.replies * (before.spread**2 + (before.reward - reward) ** 2)
    squares += math.fsum((value - reward) ** 2 for value in rewards)
    after = AlphaTrial(
        alpha=alpha,
        replies=replies,
        reward=reward,
        spread=math.sqrt(squares / replies),
        rejected=before.rejected + broken,
    )
    return (*trials[:index], after, *trials[index + 1 :])


def _untried(alpha: float) -> AlphaTrial:
    return AlphaTrial(alpha=alpha, replies=0, reward=0.0, spread=0.0)

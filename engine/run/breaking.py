"""What became of steered and of un-steered replies: whether far more of the steered break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.common.statistics import wilson_interval
from engine.prompts.template import normalise
from engine.run.alpha_trials import TrialSetting, with_rewards
from engine.steering.soundness import Remark

if TYPE_CHECKING:
    from engine.run.events import SteeringPrepared
    from engine.run.state import RunState

LEAST_DIFFERENCE = 0.2
"""Of two shares of rejected replies, 0 to 1, that is worth a word."""


class ReplyCount(NamedTuple):
    """Replies, and how many of them held no template."""

    replies: int = 0
    rejected: int = 0

    def plus(self, replies: int, rejected: int) -> ReplyCount:
        """With so many more."""
        return ReplyCount(self.replies + replies, self.rejected + rejected)

    @property
    def share(self) -> float:
        """Of rejected ones, 0 to 1."""
        return self.rejected / self.replies if self.replies else 0.0


def breaks(steered: ReplyCount, unsteered: ReplyCount) -> bool:
    """Whether far more steered replies are rejected than un-steered ones, beyond chance.

    Beyond chance: the 95 % Wilson intervals of the two shares are apart. Without un-steered replies
    to compare with nothing is known.
    """
    if not steered.replies or not unsteered.replies:
        return False
    if steered.share - unsteered.share < LEAST_DIFFERENCE:
        return False
    return wilson_interval(*reversed(steered))[0] > wilson_interval(*reversed(unsteered))[1]


def with_replies_counted(state: RunState, step: int) -> RunState:
    """With the replies of all attempts of the step that ends, steered or not."""
    replies = [c for c in state.candidates if c.step == step]
    rejected = sum(c.outcome == "rejected" for c in replies)
    steering = state.steering if state.steering and state.steering.step == step else None
    positive = state.find(steering.positive) if steering is not None else None
    if steering is None or steering.alpha == 0:
        state = replace(state, unsteered=state.unsteered.plus(len(replies), rejected))
    if steering is None or positive is None:
        return state
    rewards = [_accuracy(state, c.template) - positive.accuracy for c in replies]
    setting = TrialSetting.of(steering)
    known = state.trials.get(setting, ())
    trials = with_rewards(known, steering.alpha, rewards, rejected)
    return replace(state, trials={**state.trials, setting: trials})


def _accuracy(state: RunState, template: str | None) -> float:
    """Of a reply's template, 0 without one."""
    found = state.find(normalise(template)) if template is not None else None
    return found.accuracy if found is not None else 0.0


def breaking(state: RunState, steering: SteeringPrepared | None) -> Iterator[Remark]:
    """What to say and to do where the replies of all steps that were steered so break."""
    if steering is None or state.config is None:
        return
    trials = state.trials.get(TrialSetting.of(steering), ())
    trial = next((t for t in trials if t.alpha == steering.alpha), None)
    if trial is None or not breaks(ReplyCount(trial.replies, trial.rejected), state.unsteered):
        return
    if state.config.steering.alpha == "auto":
        advice = "auto takes it less often from now on; steering.alphas can do without it"
    else:
        advice = "lower steering.alpha, steer another layer, or have the run find it: 'auto'"
    steered = f"{trial.rejected} of {trial.replies}"
    plain = f"{state.unsteered.rejected} of {state.unsteered.replies}"
    yield Remark(
        f"breaking/{TrialSetting.of(steering)}/{steering.alpha}",
        "warning",
        f"steering breaks the replies: at alpha {trial.alpha:g} {steered} held no usable "
        f"template, un-steered {plain}. What to do: {advice}",
        f"replies break: {steered} rejected, un-steered {plain}",
    )

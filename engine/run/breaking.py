"""What became of steered and of un-steered replies: whether far more of the steered break.

A reply is broken that held no template, or whose words repeat: behind ``proposal.reply_prefix``
noise is taken for a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.common.intervals import wilson_interval
from engine.prompts.template import normalise
from engine.run.alpha_trials import TrialSetting, with_rewards
from engine.run.events import AlphaTrial, CandidateProposed, SteeringPrepared
from engine.run.ranking import ScoredTemplate
from engine.steering.soundness import Remark

Trials = Mapping[TrialSetting, tuple[AlphaTrial, ...]]
"""What came of the replies of each alpha, by what else they were steered with."""

LEAST_DIFFERENCE = 0.2
"""Of two shares of broken replies, 0 to 1, that is worth a word."""


class ReplyCount(NamedTuple):
    """Replies, and how many of them are broken."""

    replies: int = 0
    broken: int = 0

    def plus(self, replies: int, broken: int) -> ReplyCount:
        """With so many more."""
        return ReplyCount(self.replies + replies, self.broken + broken)

    @property
    def share(self) -> float:
        """Of broken ones, 0 to 1."""
        return self.broken / self.replies if self.replies else 0.0


def breaks(steered: ReplyCount, unsteered: ReplyCount) -> bool:
    """Whether far more steered replies are broken than un-steered ones, beyond chance.

    Beyond chance: the 95 % Wilson intervals of the two shares are apart. Without un-steered replies
    to compare with nothing is known.
    """
    if not steered.replies or not unsteered.replies:
        return False
    if steered.share - unsteered.share < LEAST_DIFFERENCE:
        return False
    return wilson_interval(*reversed(steered))[0] > wilson_interval(*reversed(unsteered))[1]


def repeats_itself(text: str) -> bool:
    """Whether words are repeated as no person writes: one three times in a row, or of ten and more
    less than half are different.
    """
    words = [word for raw in text.casefold().split() if (word := raw.strip(".,;:!?\"'()"))]
    in_a_row = zip(words, words[1:], words[2:], strict=False)
    if any(a == b == c and any(map(str.isalpha, a)) for a, b, c in in_a_row):
        return True
    return len(words) >= 10 and len(set(words)) < len(words) / 2


def replies_counted(
    replies: Sequence[CandidateProposed],
    steering: SteeringPrepared | None,
    find: Callable[[str], ScoredTemplate | None],
    unsteered: ReplyCount,
    trials: Trials,
) -> tuple[ReplyCount, Trials]:
    """The un-steered replies and the trials, with those of all attempts of the step that ends.

    A reward is a difference of accuracies, whatever number of images each rests on: that of fewer
    is less sure and not lower, and the spread of rewards, with which an alpha is drawn, has it in.
    Weighing rewards by images would favour an alpha whose bad templates a race drops early.

    Args:
        replies: of the step.
        steering: of the step; None where it was not steered.
        find: a scored template by its key.
        unsteered: before this step.
        trials: before this step.
    """
    broken = sum(c.outcome == "rejected" or repeats_itself(c.reply) for c in replies)
    if steering is None or steering.alpha == 0:
        unsteered = unsteered.plus(len(replies), broken)
    positive = find(steering.positive) if steering is not None else None
    if steering is None or positive is None:
        return unsteered, trials

    def accuracy(template: str | None) -> float:  # 0 without a template
        found = find(normalise(template)) if template is not None else None
        return found.accuracy if found is not None else 0.0

    rewards = [accuracy(c.template) - positive.accuracy for c in replies]
    setting = TrialSetting.of(steering)
    after = with_rewards(trials.get(setting, ()), steering.alpha, rewards, broken)
    return unsteered, {**trials, setting: after}


def breaking(
    steering: SteeringPrepared | None, trials: Trials, unsteered: ReplyCount, is_auto: bool
) -> Iterator[Remark]:
    """What to say and to do where the replies of all steps that were steered so break.

    ``is_auto``: whether the run chooses alpha itself.
    """
    if steering is None:
        return
    setting = TrialSetting.of(steering)
    trial = next((t for t in trials.get(setting, ()) if t.alpha == steering.alpha), None)
    if trial is None or not breaks(ReplyCount(trial.replies, trial.rejected), unsteered):
        return
    if is_auto:
        advice = "auto takes it less often from now on; steering.alphas can do without it"
    else:
        advice = "lower steering.alpha, steer another layer, or have the run find it: 'auto'"
    steered = f"{trial.rejected} of {trial.replies}"
    plain = f"{unsteered.broken} of {unsteered.replies}"
    yield Remark(
        f"breaking/{setting}/{steering.alpha}",
        "warning",
        f"steering breaks the replies: at alpha {trial.alpha:g} {steered} held no usable "
        f"template or repeated their words, un-steered {plain}. What to do: {advice}",
        f"replies break: {steered} broken, un-steered {plain}",
    )

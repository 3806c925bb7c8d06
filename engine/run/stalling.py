"""A run that finds nothing new any more: what happened, and what a person can do."""

from __future__ import annotations

import itertools
from collections import Counter

from engine.common.wording import counted
from engine.prompts.template import RejectReason
from engine.run.state import RunState

_TOO_LONG = (RejectReason.CUT_OFF, RejectReason.TOO_LONG)


def why_stalled(state: RunState) -> str | None:
    """One sentence on the last steps, where so many gave no new template that a run shall pause.

    That is ``proposal.patience`` steps in a row, or a multiple of it, with steps left to do. None
    otherwise.
    """
    assert state.config is not None
    empty = len(list(itertools.takewhile(lambda step: step.new == 0, reversed(state.steps))))
    patience = state.config.proposal.patience
    left = state.config.steps - state.steps_done
    if not patience or not left or not empty or empty % patience:
        return None
    steps = state.steps[-empty:]
    repeated = sum(step.duplicates for step in steps)
    rejected = sum(step.rejected for step in steps)
    reasons = Counter(c.reason for c in state.candidates if c.reason is not None)
    often = f" (in the last step most often: {reasons.most_common(1)[0][0]})" if reasons else ""
    if rejected > repeated:
        lower = "lower steering.alpha, " if state.steering is not None else ""
        advice = f"edit the meta-prompt, {lower}or choose another llm.model"
        thinks_first = state.models is not None and state.models.llm_thinks_first
        if not thinks_first and not state.config.proposal.reply_prefix:
            advice = f"begin the replies for the LLM (proposal.reply_prefix), {advice}"
        if any(c.reason in _TOO_LONG for c in state.candidates):
            advice = f"ask for shorter templates (proposal.task), {advice}"
        if any(c.finish == "length" for c in state.candidates):
            advice = f"raise sampling.max_new_tokens, {advice}"
        if any(c.finish == "thinking" for c in state.candidates):
            advice = f"raise sampling.thinking_tokens, {advice}"
    else:
        advice = "raise sampling.temperature, edit the meta-prompt, or inject templates of your own"
    return (
        f"no new template in {counted(empty, 'step')} in a row: "
        f"{counted(repeated, 'reply', 'replies')} repeated known ones, "
        f"{rejected} held no usable template{often}. To get out of it, {advice}"
    )

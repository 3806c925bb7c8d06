"""Searches that GLOV is compared with: each is GLOV's step, with less of what makes it GLOV."""

from __future__ import annotations

from engine.run.ranking import best_and_worst
from engine.run.state import RunState
from engine.search.proposing import Examples, ProposingSearch, configuration


class RandomSearch(ProposingSearch):
    """Best of many first replies: every step asks what GLOV's first step asks, and draws anew.

    The seed template and its accuracy are all that the LLM is shown, so that nothing is learnt
    from step to step; a template that a person pinned is shown too. Never steered.
    """

    @staticmethod
    def examples(state: RunState, step: int) -> Examples:
        """The seed template."""
        known = [t for t in state.allowed if t.origin == "seed" or t.key in state.pinned]
        return known[::-1], []


class LLMOptSearch(ProposingSearch):
    """In-context optimisation without a memory: the examples are the last step's templates only.

    The paper compares with such a baseline by name and its figures, without code; this is our
    reading of it: in-context examples as in GLOV, the k best and the k worst with their accuracy,
    but of what the LLM replied in the last step (or a person injected in it), new or repeated, and
    not of the whole run. Where that step gave no template, the one before it counts. In step 1 this
    is the seed template, as in GLOV. Pinned templates are shown too. Never steered.
    """

    @staticmethod
    def examples(state: RunState, step: int) -> Examples:
        """The best and worst templates of the last step that gave any."""
        steps = {
            t.key: {p.step for p in (t.first, *t.again) if p.step < step} for t in state.allowed
        }
        last = max((number for found in steps.values() for number in found), default=0)
        known = [t for t in state.allowed if last in steps[t.key] or t.key in state.pinned]
        return best_and_worst(known, configuration(state).proposal.examples, state.pinned)

"""Facts of a step, made of what was counted and found in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.common.bits import bits_to_text
from engine.run import events as ev
from engine.run.ranking import ScoredTemplate, find_anchors, from_contender, ranked
from engine.run.state import RunState
from engine.vlm.interface import Score


@dataclass
class Tally:
    """What became of the replies of all attempts of a step."""

    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    tokens: int = 0

    def count(self, outcome: ev.Outcome, tokens: int) -> None:
        """One more reply."""
        self.tokens += tokens
        if outcome == "new":
            self.new += 1
        elif outcome == "duplicate":
            self.duplicates += 1
        else:
            self.rejected += 1


def anchors_moved(state: RunState, step: int) -> tuple[ev.AnchorsMoved, ...]:
    """P+ and P- move together, and only on a new best (docs/glov.md, 4): the event, or none.

    They also move where scores on more examples have put P- no longer below P+.
    """
    before = state.find(state.anchors[0]) if state.anchors else state.seed
    below = state.find(state.anchors[1]) if state.anchors else None
    found = find_anchors(from_contender(state.allowed, state.is_partial))
    if state.anchors_held or found is None or before is None:
        return ()
    positive, negative = found
    apart = below is None or below.at_least < before.at_least
    if apart and positive.at_least <= before.at_least:
        return ()
    return (ev.AnchorsMoved(step=step, positive=positive.key, negative=negative.key),)


def step_finished(
    state: RunState, step: int, attempts: int, tally: Tally, times: ev.StepTimes
) -> ev.StepFinished:
    """The sums of a step whose templates are all scored."""
    best = state.best
    new = ranked(t for t in state.scored.since(step) if t.origin == "llm")
    found = [t.accuracy for t in new]
    return ev.StepFinished(
        step=step,
        attempts=attempts,
        new=tally.new,
        duplicates=tally.duplicates,
        rejected=tally.rejected,
        tokens=tally.tokens,
        step_best=found[0] if found else None,
        step_mean=math.fsum(found) / len(found) if found else None,
        best=best.accuracy if best is not None else 0.0,
        seconds=times.work,
        times=times,
    )


def scored_again(template: ScoredTemplate, score: Score, step: int) -> ev.TemplateScored:
    """A known template's score on more images."""
    first = template.first
    return template_scored(
        template.text, score, template.origin, step, first.attempt, first.candidate
    )


def template_scored(
    text: str, score: Score, origin: ev.Origin, step: int, attempt: int, candidate: int
) -> ev.TemplateScored:
    """A template's score on the training images."""
    return ev.TemplateScored(
        step=step,
        attempt=attempt,
        candidate=candidate,
        template=text,
        origin=origin,
        hits=score.hits,
        n=score.n,
        margin=score.margin,
        probability=score.probability,
        class_hits=score.class_hits,
        unnamed=score.unnamed,
        right=bits_to_text(score.right),
    )

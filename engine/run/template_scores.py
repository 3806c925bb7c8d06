"""What a ``TemplateScored`` fact says of a template, read with the rest of its step."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from engine.common.wording import counted
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.ranking import Proposal, ScoredTemplate


def scored_template(
    event: ev.TemplateScored,
    candidates: Sequence[ev.CandidateProposed],
    models: ev.ModelsLoaded | None,
) -> ScoredTemplate:
    """The template with its score, the reply it came from, and those that repeated it meanwhile.

    Args:
        event: the fact.
        candidates: of the step under way so far.
        models: whose classes the score is of; None while they are not known.

    Raises:
        ValueError: if the hits are not of the classes of this run.
    """
    _check_class_hits(event, models)
    key = normalise(event.template)
    source = (event.attempt, event.candidate)
    replies = (c.reply for c in candidates if (c.attempt, c.candidate) == source)
    return ScoredTemplate(
        key=key,
        text=event.template,
        origin=event.origin,
        first=Proposal(event.step, event.attempt, event.candidate),
        hits=event.hits,
        n=event.n,
        margin=event.margin,
        probability=event.probability,
        class_hits=event.class_hits,
        unnamed=event.unnamed,
        right=event.right,
        reply=next(replies, "") if event.origin == "llm" else "",
        again=tuple(
            Proposal(c.step, c.attempt, c.candidate)
            for c in candidates
            if c.outcome == "duplicate" and c.template and normalise(c.template) == key
        ),
    )


def _check_class_hits(event: ev.TemplateScored, models: ev.ModelsLoaded | None) -> None:
    if models is None or not event.class_hits:
        return
    if len(event.class_hits) != len(models.class_names):
        raise ValueError(
            f"hits of {counted(len(event.class_hits), 'class', 'classes')}, "
            f"of {len(models.class_names)}"
        )
    if any(map(operator.gt, event.class_hits, models.class_sizes)):
        raise ValueError("more hits of a class than it has images")

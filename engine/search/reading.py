"""What a run makes of an LLM's replies: templates, new or known, or reasons for rejecting them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.llm.interface import Reply
from engine.prompts.message import Accept
from engine.prompts.reply import Parsed
from engine.prompts.template import RejectReason, normalise
from engine.run import events as ev
from engine.run.emitting import Steps, emit
from engine.run.state import RunState
from engine.run.step_facts import Tally
from engine.vlm.families import task_of
from engine.vlm.interface import Fitness
from engine.vlm.task import Task


def read_reply(reply: Reply, accept: Accept, task: Task) -> Parsed:
    """The template in a reply, as ``proposal.accept`` wants it and the VLM's task has it."""
    parsed = task.read(reply.text, finish=reply.finish, accept=accept, begun=reply.begun)
    if parsed.reason is RejectReason.EMPTY and reply.thought.strip():
        return replace(parsed, reason=RejectReason.ONLY_THOUGHT)
    return parsed


def read_replies(
    state: RunState,
    step: int,
    attempt: int,
    replies: Iterable[Reply],
    tally: Tally,
    fitness: Fitness,
) -> Steps[tuple[RunState, dict[str, int]]]:
    """Read all replies of an attempt, a fact each; returns the new templates by their candidates.

    New is what the run has not scored, no reply before it was, and the VLM can take.
    """
    assert state.config is not None
    accept, task = state.config.proposal.accept, task_of(state.config.vlm)
    fresh: dict[str, tuple[str, int]] = {}  # key -> (text, candidate)
    for candidate, reply in enumerate(replies):
        parsed = read_reply(reply, accept, task)
        outcome: ev.Outcome = "rejected"
        reason = str(parsed.reason) if parsed.reason is not None else None
        note, template = parsed.note or None, parsed.template
        if parsed.template is not None:
            key = normalise(parsed.template)
            known = state.find(key)
            first = known.text if known else fresh[key][0] if key in fresh else None
            outcome = "new" if first is None else "duplicate"
            if first is None:
                check = fitness.check(parsed.template)
                note = "; ".join(filter(None, (note, check.note))) or None
                if check.reason is not None:
                    outcome, reason, template = "rejected", str(check.reason), None
                else:
                    fresh[key] = (parsed.template, candidate)
            else:
                note = f"repeats: {first}"
        tally.count(outcome, reply.tokens + reply.thought_tokens)
        event = ev.CandidateProposed(
            step=step,
            attempt=attempt,
            candidate=candidate,
            reply=reply.text,
            tokens=reply.tokens,
            finish=reply.finish,
            outcome=outcome,
            template=template,
            reason=reason,
            note=note,
            thought=reply.thought,
            thought_tokens=reply.thought_tokens,
        )
        state = yield from emit(state, event)
    return state, dict(fresh.values())

"""What a run makes of an LLM's reply: a template or the reason for rejecting it."""

from __future__ import annotations

from dataclasses import replace

from engine.llm.interface import Reply
from engine.prompts.message import Accept
from engine.prompts.reply import Parsed, parse_reply
from engine.prompts.template import RejectReason


def read_reply(reply: Reply, accept: Accept) -> Parsed:
    """The template in a reply, as ``proposal.accept`` wants it."""
    parsed = parse_reply(reply.text, finish=reply.finish, accept=accept, begun=reply.begun)
    if parsed.reason is RejectReason.EMPTY and reply.thought.strip():
        return replace(parsed, reason=RejectReason.ONLY_THOUGHT)
    return parsed

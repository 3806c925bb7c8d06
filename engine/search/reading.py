"""What a run makes of an LLM's reply: a template or the reason for rejecting it."""

from __future__ import annotations

from dataclasses import replace

from engine.llm.interface import Reply
from engine.prompts.message import Accept
from engine.prompts.reply import Parsed
from engine.prompts.template import RejectReason
from engine.vlm.task import Task


def read_reply(reply: Reply, accept: Accept, task: Task) -> Parsed:
    """The template in a reply, as ``proposal.accept`` wants it and the VLM's task has it."""
    parsed = task.read(reply.text, finish=reply.finish, accept=accept, begun=reply.begun)
    if parsed.reason is RejectReason.EMPTY and reply.thought.strip():
        return replace(parsed, reason=RejectReason.ONLY_THOUGHT)
    return parsed

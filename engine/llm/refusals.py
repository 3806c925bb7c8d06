"""What some LLMs can't be made to do, in words. Light: asked before the first paint."""

from __future__ import annotations

from engine.common.wording import counted
from engine.config import LLMKind


def prefix_refused(name: str) -> str:
    """Why the replies of an LLM that thinks first can't be begun for it."""
    return (
        f"proposal.reply_prefix can't be used with {name}: it begins its replies with a thought "
        "that can't be switched off, and nothing can be put before that. Leave "
        "proposal.reply_prefix empty, or choose another llm.model"
    )


def asks_none(search: str) -> str:
    """Why nothing can be asked in a run of this ``search.kind``."""
    return f"this run asks no LLM: its search.kind is {search}"


def not_steerable(name: str, kind: LLMKind = "local") -> str:
    """Why an LLM without layers within reach can't be steered."""
    if kind == "openai":
        return f"{name} can't be steered: it runs on a server, which gives no hidden states"
    return (
        f"{name} can't be steered: its decoder layers were not found, or they give several hidden "
        "states a token (as AltUp and hyper-connections do) where one is steered"
    )


def reread_every_token(name: str, turn: int | None = None) -> str:
    """What is told where no layout with a cache is right for an LLM.

    ``turn``: of this text only, since it grows beyond so many tokens.
    """
    why = "what it keeps of what it has read did not give the same logits"
    if turn is not None:
        why = f"beyond {counted(turn, 'token')} it reads all positions otherwise (LongRoPE)"
    return f"{name} reads prompt and reply anew for every token, which is right, but slow: {why}"


def read_by_row(rows: int) -> str:
    """Why so many replies are not read in one sequence."""
    replies = counted(rows, "reply", "replies")
    return f"{replies} so long would cost more in one sequence than in a row each"

"""One reply of a server while it comes in: what is thought, what is said, and how it ended."""

from __future__ import annotations

from typing import Any

from engine.common.names import readable_name
from engine.llm.interface import Reply
from engine.llm.served.key import Key
from engine.prompts.message import Finish
from engine.prompts.thoughts import ThoughtStream

_MOST_TOKENS = 2**40


class IncomingReply:
    """Takes the pieces of one reply. One that is begun again shows only what goes beyond it."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._shown = [0, 0]  # characters of reply and thought
        self.tokens: int | None = None  # as the server counts them, with the thought
        self.thought_tokens: int | None = None
        self.begin()

    def begin(self) -> None:
        """From nothing: the first time, or after the stream was torn."""
        self._parts = ThoughtStream()
        self._reasoning: list[str] = []
        self.pieces = 0
        self._thought_pieces = 0
        self.finish_reason: str | None = None
        self._length = 0
        self._half = ""  # of a character that a server has cut in two

    @property
    def length(self) -> int:
        """Characters so far, with the thought."""
        return self._length

    @property
    def has_ended(self) -> bool:
        """Whether the server has said how it ended."""
        return self.finish_reason is not None

    def push(self, content: str, reasoning: str) -> tuple[str, str]:
        """Take a piece in; returns what is new to be shown of the reply and of the thought."""
        self.pieces += bool(content or reasoning)
        self._thought_pieces += bool(reasoning) or (bool(content) and self._parts.inside)
        if reasoning:
            self._reasoning.append(readable_name(reasoning))
        self._length += len(content) + len(reasoning)
        self._parts.push(self._whole(content))
        return self._news(0, self._parts.reply), self._news(1, self._thought)

    def _whole(self, text: str) -> str:
        """Without halves of characters: JSON has some in two, and a server may cut between them."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    @property
    def _thought(self) -> str:
        return "".join(self._reasoning) + self._parts.thought

    def _news(self, which: int, text: str) -> str:
        clean = self._key.scrub(text)
        new = clean[self._shown[which] :]
        self._shown[which] = max(self._shown[which], len(clean))
        return new

    def reply(self) -> Reply:
        """The whole reply, once it has ended."""
        self._parts.flush()
        text, thought = self._key.scrub(self._parts.reply), self._key.scrub(self._thought)
        tokens, thoughts = self._counts()
        finish: Finish = "stop" if self.finish_reason == "stop" else "length"
        if self._parts.inside or (finish == "length" and not text.strip() and thoughts):
            finish = "thinking"
        return Reply(text, tokens, finish, thought=thought, thought_tokens=thoughts)

    def _counts(self) -> tuple[int, int]:
        """Tokens of reply and thought: the server's figures, else the pieces that it sent."""
        if self.tokens is None:
            return self.pieces - self._thought_pieces, self._thought_pieces
        thoughts = self.thought_tokens
        if thoughts is None:
            thoughts = min(self._thought_pieces, self.tokens)
        return max(0, self.tokens - thoughts), thoughts


def pieces_of(delta: Any) -> tuple[str, str]:
    """Reply and thought in one piece of a stream; servers name the thought in two ways."""
    content = getattr(delta, "content", None)
    reasoning = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
    return tuple(text if isinstance(text, str) else "" for text in (content, reasoning))  # type: ignore[return-value]


def counted_tokens(usage: Any, name: str) -> int | None:
    """A number of tokens as a server gives it; None where it gives none that can be."""
    count = getattr(usage, name, None)
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    return count if 0 <= count <= _MOST_TOKENS else None

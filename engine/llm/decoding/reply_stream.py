"""One reply while its tokens come in: what is thought, what is said, and when it ends.

Thought and reply have budgets of their own. Special tokens that mark a thought are read before
they are dropped from the text like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.llm.chat import Prompt
from engine.llm.decoding.text_stream import TextStream
from engine.prompts.message import Finish
from engine.prompts.thoughts import ThoughtStream, is_marker_part


def thought_tokens(tokenizer: Any) -> dict[int, str]:
    """The special tokens that mark thoughts, by id, as they are written."""
    special = {int(i): str(t) for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    special.update(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=False))
    return {token: text for token, text in special.items() if is_marker_part(text)}


class ReplyStream:
    """Takes the tokens of one reply and keeps its books."""

    def __init__(
        self,
        tokenizer: Any,
        prompt: Prompt,
        marks: Mapping[int, str],
        max_thought: int,
        max_reply: int,
    ) -> None:
        """
        Args:
            tokenizer: of the LLM.
            prompt: what it has read.
            marks: as ``thought_tokens`` gives them.
            max_thought: longest thought, in tokens; 0: it counts in the reply.
            max_reply: longest reply, in tokens.
        """
        self._text = TextStream(tokenizer, prompt.before)
        self._parts = ThoughtStream(prompt.thought)
        self._marks = marks
        self._max_thought, self._max_reply = max_thought, max_reply
        self._begun = prompt.prefix
        if prompt.prefix:
            self._parts.push(prompt.prefix)
            self._parts.flush()
        self._tokens = 0
        self._turned = 0
        self.thought_tokens = 0
        self.finish: Finish | None = None  # None while it goes on

    @property
    def text(self) -> str:
        """The reply so far, with what it was begun with."""
        return self._parts.reply

    @property
    def thought(self) -> str:
        """The thought so far."""
        return self._parts.thought

    @property
    def tokens(self) -> int:
        """Number of tokens of the reply, without those of its thought and of its beginning."""
        return self._tokens

    def push(self, token: int) -> tuple[str, str]:
        """Take one token in; returns what it adds to the thought and to the reply."""
        was_inside = self._parts.inside
        mark = self._marks.get(token)
        thought, reply = self._parts.push(self._text.push(token) if mark is None else mark)
        inside = self._parts.inside
        if (was_inside or inside or mark is not None) and self._max_thought:
            self.thought_tokens += 1
        else:
            self._tokens += 1
        if self._parts.turned != self._turned and self._max_thought:
            self.thought_tokens, self._tokens = self.thought_tokens + self._tokens, 0
            self._turned = self._parts.turned
        spent = self.thought_tokens + self._tokens >= self._max_thought + self._max_reply
        thought_spent = inside and self._max_thought and self.thought_tokens >= self._max_thought
        if self._parts.ended:
            self.finish = "stop"
        elif spent or thought_spent or self._tokens >= self._max_reply:
            self.finish = "thinking" if inside else "length"
        begun, self._begun = self._begun, ""
        if self.finish is None:
            return thought, begun + reply
        late = self._parts.flush()
        return thought + late[0], begun + reply + late[1]

    def stop(self) -> tuple[str, str]:
        """The LLM has ended the reply; returns what was held back of the thought and of it."""
        self.finish = "stop"
        begun, self._begun = self._begun, ""
        thought, reply = self._parts.flush()
        return thought, begun + reply

"""From chat messages to a prompt, and the tokens that end a reply.

A last message of the assistant is what the reply shall begin with: it is put right after the
header of the reply, and the LLM goes on from there.

A tokenizer without a chat template belongs to a base model. It gets this plain format, after the
tokenizer's own BOS:

    System: ...

    User: ...

    Assistant:
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.llm.rendering import Rendered, render, rendered
from engine.prompts.message import Message
from engine.prompts.thoughts import ThoughtStream, has_channels, mentions_thoughts
from engine.steering.text_tokens import split_tokens

_PROBE = "glov"  # a reply to find what stands before and after one
_CHAT: tuple[Message, ...] = (
    {"role": "system", "content": "You answer."},
    {"role": "user", "content": "What is glov?"},
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the LLM reads before its reply."""

    ids: list[int]
    prefix: str = ""  # what the reply is begun with; ``ids`` end with it
    thought: str | None = None  # the kind of thought that the chat template begins, if it does

    @property
    def before(self) -> list[int]:
        """The last tokens, as the context in which the first token of the reply is decoded."""
        return self.ids[-8:] if self.prefix else []


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether an LLM thinks before it replies, as its chat template says.

    ``possible``: it has markers for thoughts. ``expected``: it thinks, and can't be told not to.
    ``first``: its thought begins in the prompt or has a channel of its own, so a reply can't be
    begun for it.
    """

    possible: bool = False
    expected: bool = False
    first: bool = False


def compose_prompt(tokenizer: Any, messages: Sequence[Message]) -> Prompt:
    """The chat as tokens, ending with the header of the assistant's reply and its beginning.

    Where the chat template refuses or drops messages, their text is given to it in other ways
    (``engine.llm.rendering``). Thinking is switched off in templates that know a switch.

    Raises:
        ModelError: if the chat template can't render the messages, or leaves one out.
    """
    asked = list(messages)
    prefix = asked.pop()["content"].rstrip() if asked and asked[-1]["role"] == "assistant" else ""
    if not tokenizer.chat_template:
        plain = [f"{m['role'].capitalize()}: {m['content'].strip()}" for m in asked]
        text = "\n\n".join([*plain, f"Assistant: {prefix}".rstrip()])
        tokens = split_tokens(tokenizer, text)  # what ends a text is left out: a reply follows
        return Prompt([*tokens.before, *tokens.own], prefix)
    chat = rendered(tokenizer, asked)
    text = chat.text
    if prefix:
        # As one text, so that the tokens at the seam are those of a reply that was written so. A
        # space at its end is the next token's in most tokenizers: it was taken off.
        text += _seam(tokenizer, chat) + prefix
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])  # BOS is the template's
    return Prompt(_with_one_bos(tokenizer, ids), prefix, _tail(chat).open_kind)


def prompt_tokens(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """The tokens of ``compose_prompt``."""
    return compose_prompt(tokenizer, messages).ids


def thinking(tokenizer: Any) -> Thinking:
    """What the chat template and the tokens tell of an LLM's thoughts."""
    if not tokenizer.chat_template:
        return Thinking()
    source = str(tokenizer.chat_template)
    names = _added_names(tokenizer)
    if not mentions_thoughts(source) and not mentions_thoughts(names):
        return Thinking()
    try:
        chat = rendered(tokenizer, _CHAT)
        with_thoughts = render(tokenizer, chat.messages, think=True)
    except Exception:  # said with the first prompt
        return Thinking(possible=True)
    tail = _tail(chat)
    channels = has_channels(source) or has_channels(names)
    first = tail.inside or (channels and not has_channels(chat.text))
    switched_off = tail.seen or with_thoughts != chat.text
    expected = first or (mentions_thoughts(source) and not switched_off)
    return Thinking(possible=True, expected=expected, first=first)


def stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a reply: all end-of-sequence tokens and the template's end of turn.

    Of a base model also what its tokenizer ends every text with (the SEP of BERT's tokenizer).
    """
    found: set[int] = set()
    sources = (
        getattr(model, "generation_config", None),
        model.config,
        model.config.get_text_config(decoder=True),
        tokenizer,
    )
    for source in sources:
        eos = getattr(source, "eos_token_id", None)
        found.update(eos if isinstance(eos, Iterable) else () if eos is None else (eos,))
    turn = end_of_turn(tokenizer)
    if turn is not None:
        found.add(turn)
    if not tokenizer.chat_template:  # texts that it was trained on end with what is put there
        tokens = split_tokens(tokenizer, _PROBE)
        found.update(tokens.after[-1:] if tokens.own else ())  # none: it knows no such word
    if has_channels(_added_names(tokenizer)):
        # In harmony a message ends with it, also a thought; the text says which one it was.
        found.discard(tokenizer.convert_tokens_to_ids("<|end|>"))
    return frozenset(found)


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template puts right after a reply, if it does."""
    if not tokenizer.chat_template:
        return None
    messages: list[Message] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": _PROBE},
    ]
    try:
        text = render(tokenizer, messages, reply=False)
    except Exception:  # the template refuses such a chat; the end-of-sequence tokens are left
        return None
    tail = text[text.rfind(_PROBE) + len(_PROBE) :].lstrip()
    ids = tokenizer(tail, add_special_tokens=False)["input_ids"] if tail else []
    special = set(tokenizer.all_special_ids)
    special.update(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
    return ids[0] if ids and ids[0] in special else None


def _added_names(tokenizer: Any) -> str:
    return " ".join(str(token) for token in tokenizer.get_added_vocab())


def _tail(chat: Rendered) -> ThoughtStream:
    """The thoughts, open or closed, of what the chat template puts after the last message."""
    stream = ThoughtStream()
    at = chat.text.rfind(chat.last)
    stream.push(chat.text[at + len(chat.last) :] if at >= 0 else chat.text[-200:])
    stream.flush()
    return stream


def _seam(tokenizer: Any, chat: Rendered) -> str:
    """The white space that the template puts between the header of a reply and the reply."""
    reply = {"role": "assistant", "content": _PROBE}
    try:
        text = render(tokenizer, [*chat.messages, reply], reply=False)
    except Exception:  # it takes no replies
        return ""
    between = text[len(chat.text) :].partition(_PROBE)[0]
    return between if text.startswith(chat.text) and not between.strip() else ""


def _with_one_bos(tokenizer: Any, ids: list[int]) -> list[int]:
    """Some tokenizers add their own BOS whatever they are asked."""
    bos = tokenizer.bos_token_id
    doubled = bos is not None and ids[:2] == [bos, bos]
    return ids[1:] if doubled else ids

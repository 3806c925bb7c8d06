"""From chat messages to a prompt, and the tokens that end a reply.

A tokenizer without a chat template belongs to a base model. It gets this plain format, after the
tokenizer's own BOS:

    System: ...

    User: ...

    Assistant:
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.errors import ModelError
from engine.llm.base import Message

_PROBE = "glov"  # a reply to find the end-of-turn token after


def prompt_tokens(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of the chat, ending with the header of the assistant's reply.

    Where the chat template refuses or drops system messages (Gemma), they are put at the head of
    the first user message. Thinking is switched off in templates that know the switch, because a
    reply has room for a template only.

    Raises:
        ModelError: if the chat template can't render the messages.
    """
    if not tokenizer.chat_template:
        plain = [f"{m['role'].capitalize()}: {m['content'].strip()}" for m in messages]
        return list(tokenizer("\n\n".join([*plain, "Assistant:"]))["input_ids"])
    text = _rendered_with_system(tokenizer, messages)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])  # BOS is the template's


def stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a reply: all end-of-sequence tokens and the template's end of turn."""
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
    return frozenset(found if turn is None else found | {turn})


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template puts right after a reply, if it does."""
    if not tokenizer.chat_template:
        return None
    messages: list[Message] = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": _PROBE},
    ]
    try:
        text = _rendered(tokenizer, messages, reply=False)
    except Exception:  # the template refuses such a chat; the end-of-sequence tokens are left
        return None
    tail = text[text.rfind(_PROBE) + len(_PROBE) :].lstrip()
    ids = tokenizer(tail, add_special_tokens=False)["input_ids"] if tail else []
    special = set(tokenizer.all_special_ids)
    special.update(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
    return ids[0] if ids and ids[0] in special else None


def _rendered_with_system(tokenizer: Any, messages: Sequence[Message]) -> str:
    system = [m["content"].strip() for m in messages if m["role"] == "system"]
    try:
        text = _rendered(tokenizer, messages)
        if all(content in text for content in system):
            return text
    except Exception as error:
        if not system:
            raise _refused(error) from error
    try:
        return _rendered(tokenizer, _merged(messages, system))
    except Exception as error:
        raise _refused(error) from error


def _rendered(tokenizer: Any, messages: Sequence[Message], reply: bool = True) -> str:
    text: str = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=reply, enable_thinking=False
    )
    return text


def _merged(messages: Sequence[Message], system: Sequence[str]) -> list[Message]:
    """The messages without system messages, whose text goes into the first of the user."""
    rest = [m for m in messages if m["role"] != "system"]
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": "\n\n".join(system)}, *rest]
    content = "\n\n".join([*system, rest[0]["content"]])
    return [{"role": "user", "content": content}, *rest[1:]]


def _refused(error: Exception) -> ModelError:
    return ModelError(f"the LLM's chat template can't render the meta-prompt: {error}")

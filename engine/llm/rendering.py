"""Chat messages as the text that a model's chat template makes of them, with nothing left out.

Templates differ in what they take: some refuse or drop system messages (Gemma 2), some read the
first message only, some iterate over lists of content parts and render nothing of a string. So a
rendering counts only if it has the text of every message; else the messages are given in another
form, and at last it is an error.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.common.errors import ModelError
from engine.prompts.jinja_limits import OverLimitError
from engine.prompts.message import Message
from engine.prompts.thoughts import ends_thought

_NO_THINKING: Mapping[str, Any] = {
    "enable_thinking": False,  # Qwen3, GLM, SmolLM3, EXAONE 4, Gemma 4 and more
    "thinking": False,  # DeepSeek V3.1, Granite, Kimi K3
    "thinking_budget": 0,  # Seed-OSS
}
_THINKING: Mapping[str, Any] = {"enable_thinking": True, "thinking": True}
_NO_THINK_WORD = "/no_think"  # templates of Nemotron look for it in the messages
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of a chat, and the messages in the form in which the template took them."""

    text: str
    messages: list[dict[str, Any]]
    last: str  # the text of the last message


def rendered(tokenizer: Any, messages: Sequence[Message]) -> Rendered:
    """The chat, ending with the header of the assistant's reply. Thinking is switched off.

    Raises:
        ModelError: if the template refuses the messages, or leaves the text of one out, in every
            form.
    """
    refused: Exception | None = None
    lost: Message | None = None
    for form in _forms(messages):
        try:
            text = render(tokenizer, form)
        except OverLimitError as error:  # in another form too, and each takes its time and memory
            refused, lost = error, None
            break
        except Exception as error:  # whatever Jinja or the template itself raises
            refused = refused or error
            continue
        missing = next((m for m in messages if not _has(text, m["content"])), None)
        if missing is None and "'type': 'text'" not in text:  # else a list was printed as it is
            last = form[-1]["content"]
            last = last if isinstance(last, str) else last[0]["text"]
            return _without_thinking(tokenizer, messages, Rendered(text, form, last.strip()))
        lost = lost or missing
    if lost is None:
        raise ModelError(
            f"the LLM's chat template can't render the meta-prompt: {refused}"
        ) from refused
    raise ModelError(
        f"the LLM's chat template leaves out the {lost['role']} message "
        f"({_shortened(lost['content'])!r}), also where the messages are given as parts or merged "
        "into one. The LLM would not know what it is asked: mend chat_template.jinja in the "
        "model's folder (or chat_template in its tokenizer_config.json), or choose another "
        "llm.model."
    )


def render(
    tokenizer: Any,
    messages: Sequence[Any],
    reply: bool = True,
    think: bool = False,
) -> str:
    """What the template makes of the messages; raises whatever it raises.

    Args:
        tokenizer: with a chat template.
        messages: in any form.
        reply: whether to end with the header of the assistant's reply.
        think: whether thinking is switched on or off, where the template knows a switch.
    """
    source = str(tokenizer.chat_template)
    given = dict(_THINKING if think else _NO_THINKING)
    if not think and "reasoning_effort" in source:  # gpt-oss knows no "none"
        given["reasoning_effort"] = "none" if re.search(r"['\"]none['\"]", source) else "low"
    for variables in (given, {"enable_thinking": think}):
        try:
            text: str = tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=reply, **variables
            )
            return text
        except OverLimitError:
            raise
        except Exception:
            if len(variables) < 2:
                raise
    raise AssertionError("the second try has one variable at most")


def _forms(messages: Sequence[Message]) -> Iterator[list[dict[str, Any]]]:
    """The ways in which the messages can be given, as they are first."""
    plain: list[dict[str, Any]] = [{"role": m["role"], "content": m["content"]} for m in messages]
    merged = _merged(plain)
    for form in (plain,) if merged == plain else (plain, merged):
        yield form
        yield [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in form]


def _merged(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages without system messages, whose text goes into the first of the user."""
    system = [m["content"].strip() for m in messages if m["role"] == "system"]
    rest = [m for m in messages if m["role"] != "system"]
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": "\n\n".join(system)}, *rest]
    content = "\n\n".join([*system, rest[0]["content"]])
    return [{"role": "user", "content": content}, *rest[1:]]


def _without_thinking(tokenizer: Any, messages: Sequence[Message], chat: Rendered) -> Rendered:
    """The chat with the word that switches thinking off, in templates that look for it."""
    if _NO_THINK_WORD not in str(tokenizer.chat_template) or ends_thought(chat.text):
        return chat
    first = chat.messages[0]
    if not isinstance(first["content"], str):
        return chat
    told = [{**first, "content": f"{first['content']} {_NO_THINK_WORD}"}, *chat.messages[1:]]
    try:
        text = render(tokenizer, told)
    except Exception:
        return chat
    good = ends_thought(text) and all(_has(text, m["content"]) for m in messages)
    return Rendered(text, told, chat.last) if good else chat


def _has(text: str, content: str) -> bool:
    """Whether ``content`` is in ``text``, however it was trimmed or escaped."""
    return content.strip() in text or _bare(content) in _bare(text)


def _bare(text: str) -> str:
    """Letters and digits only, after the escapes of HTML and JSON."""
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), html.unescape(text))
    text = re.sub(r"\\[nrtbf]", " ", text)
    return "".join(c for c in text if c.isalnum()).casefold()


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:59] + "…"

"""What goes to an LLM and comes back: chat messages, how a reply ended, which replies count."""

from typing import Literal

from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

Accept = Literal["usable", "verbatim", "clean"]
"""Which replies are templates: see ``proposal.accept`` in the configuration."""

Finish = Literal["stop", "length", "thinking"]
"""How a reply ended: at an end-of-turn token, at its token limit, or at that of its thought."""


class Message(TypedDict):
    """One chat message, as chat templates take it.

    A last message of the assistant is what the reply shall begin with.
    """

    role: Literal["system", "user", "assistant"]
    content: str

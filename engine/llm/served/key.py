"""The key of a server: from the environment, and taken out of every text that goes on.

It is written nowhere. A server may send it back in an error or in a reply; ``scrub`` sees to it
that this is not journaled or shown.
"""

from __future__ import annotations

import os

from engine.common.errors import ModelError
from engine.config import LLMConfig

OPENAI_HOST = "api.openai.com"
_NO_KEY = "none"  # servers of one's own ask for none, and the package for some
_SHORTEST_SECRET = 6  # characters; a shorter one is a placeholder, and a part of many words
_SCRUBBED = "[key]"


class Key:
    """A key that does not show itself."""

    def __init__(self, value: str, is_given: bool) -> None:
        self._value = value
        self.is_given = is_given

    def __repr__(self) -> str:
        return "Key(...)"

    def reveal(self) -> str:
        """The key itself, for the header of a request and nothing else."""
        return self._value

    def scrub(self, text: str) -> str:
        """The text without the key."""
        if len(self._value) < _SHORTEST_SECRET:
            return text
        return text.replace(self._value, _SCRUBBED)


def read_key(config: LLMConfig) -> Key:
    """The key that the environment has for this server; servers of one's own need none.

    Raises:
        ModelError: if the environment has none and the server is OpenAI's, or it can't be one.
    """
    name = config.api_key_env
    value = os.environ.get(name, "").strip()
    if not value:
        if OPENAI_HOST in config.base_url:
            raise ModelError(
                f"{name} is not set in the environment, and {config.base_url} wants a key: "
                f"`export {name}=...` before glov is started, or name another variable "
                "(llm.api_key_env) or another server (llm.base_url)"
            )
        return Key(_NO_KEY, is_given=False)
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ModelError(
            f"{name} in the environment holds blanks, line ends or letters that no key has; its "
            "value is not shown here. Set it anew"
        )
    return Key(value, is_given=True)

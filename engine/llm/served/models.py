"""Whether a server can be asked, and which models it says it has.

Light: the ``openai`` package is imported when a server is asked, and said in words where it is not
installed.
"""

from __future__ import annotations

import importlib.util

from engine.common.errors import ModelError
from engine.config import LLMConfig

HOW_TO_INSTALL = "pip install 'glov-tui[openai]'"


def is_installed() -> bool:
    """Whether the package is there that servers are asked with."""
    return importlib.util.find_spec("openai") is not None


def models_of(config: LLMConfig) -> tuple[str, ...] | None:
    """The models that the server says it has; None where it answers and does not say.

    Raises:
        ModelError: if the package is missing, there is no key, no such server, or it does not take
            the key.
    """
    check_installed()
    import openai

    from engine.llm.served.client import LOOK_SECONDS, LOOKS, list_models
    from engine.llm.served.failures import failure
    from engine.llm.served.key import read_key

    key = read_key(config)
    try:
        return list_models(config, key)
    except openai.OpenAIError as error:
        waited = {"retries": LOOKS - 1, "timeout": min(LOOK_SECONDS, config.timeout)}
        raise failure(error, config.model_copy(update=waited), key) from None


def check_installed() -> None:
    """
    Raises:
        ModelError: saying how to install the package.
    """
    if not is_installed():
        raise ModelError(
            "llm.kind is openai, which needs the package openai, and that is not installed: "
            f"{HOW_TO_INSTALL}"
        )

"""The loader of ``llm.kind = "openai"``: light until a server is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.common.errors import ModelError
from engine.config import LLMConfig
from engine.llm.served.models import check_installed

if TYPE_CHECKING:
    from engine.llm.interface import LanguageModel


def load(config: LLMConfig, progress: Callable[[str], None]) -> LanguageModel:
    """As ``engine.llm.loading.LLMLoader``.

    Raises:
        ModelError: if the package is missing, there is no key, no such server, it does not take
            the key, or only one price is given.
    """
    check_installed()
    problem = config.price_problem()
    if problem is not None:
        raise ModelError(problem)
    from engine.llm.openai_llm import OpenAILLM

    return OpenAILLM.load(config, progress)

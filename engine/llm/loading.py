"""Language models by ``llm.kind``. Importing this loads none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Protocol

from engine.common.collecting import uncollected
from engine.config import LLMConfig
from engine.llm.interface import LanguageModel

Progress = Callable[[str], None]


class LLMLoader(Protocol):
    """Loads a model of one kind."""

    def __call__(self, config: LLMConfig, progress: Progress, /) -> LanguageModel:
        """As ``load_llm``."""
        ...


LOADERS: Mapping[str, str] = {
    "local": "engine.llm.transformers_llm:LocalLLM.load",
    "openai": "engine.llm.openai_loading:load",
}
"""Where the loader of each kind is, as ``module:name``: imported when it is asked for."""


@uncollected()
def load_llm(config: LLMConfig, progress: Progress) -> LanguageModel:
    """Load the language model of a configuration; ``progress`` is told each stage in a few words.

    Raises:
        ModelError: if it can't be loaded or used; the text says what to do.
    """
    load: LLMLoader = resolve_name(LOADERS[config.kind])
    return load(config, progress)

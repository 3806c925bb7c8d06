"""Real models for the tests of this folder, each loaded once; skipped where they can't be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.llm.transformers_llm import LocalLLM
from tests.support import real_models as models


def _had(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except models.UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Folder of SmolLM2-135M-Instruct: 30 layers, ChatML, a tokenizer that adds no BOS."""
    return _had(models.smollm2)


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The GGUF file that SmolLM2 was made from."""
    return _had(models.smollm2_gguf)


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Folder of all-MiniLM-L6-v2, a sentence embedder."""
    return _had(models.minilm)


@pytest.fixture(scope="session")
def real_llm(smollm2: Path) -> LocalLLM:
    """SmolLM2, loaded in float32 on the CPU."""
    from engine.config import LLMConfig

    return LocalLLM.load(LLMConfig(model=str(smollm2), device="cpu"))

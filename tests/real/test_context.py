"""A meta-prompt that just fits an LLM's context, and one that is a token too long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.common.errors import ModelError
from engine.config import LLMConfig, SamplingConfig
from engine.llm.chat import prompt_tokens
from engine.llm.interface import TokenColumn
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message

CONTEXT = 8192  # SmolLM2's
SHORT = 640  # what is read to the end here; 8,192 tokens take minutes on a CPU
NEW = 4


def prompt(llm: LocalLLM, tokens: int) -> list[Message]:
    """A chat of exactly so many tokens."""

    def chat(words: int) -> list[Message]:
        return [{"role": "user", "content": "List these:" + " photo" * words}]

    return chat(tokens - len(prompt_tokens(llm._tokenizer, chat(0))))


@pytest.fixture(scope="module")
def short_llm(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalLLM:
    """SmolLM2 as if it were made for fewer tokens."""
    folder = tmp_path_factory.mktemp("short")
    for file in smollm2.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((smollm2 / "config.json").read_text())
    (folder / "config.json").unlink()
    config["max_position_embeddings"] = SHORT
    (folder / "config.json").write_text(json.dumps(config))
    return LocalLLM.load(LLMConfig(model=str(folder), device="cpu"))


def test_the_limit_is_the_models(real_llm: LocalLLM) -> None:
    messages = prompt(real_llm, CONTEXT - NEW + 1)
    assert len(prompt_tokens(real_llm._tokenizer, messages)) == CONTEXT - NEW + 1
    sampling = SamplingConfig(max_new_tokens=NEW)
    expected = rf"has {CONTEXT - NEW + 1:,} tokens .* may have {NEW}, .* reads {CONTEXT} at most"
    with pytest.raises(ModelError, match=expected):
        next(real_llm.propose(messages, sampling, [1]))


def test_it_is_read_up_to_the_limit(short_llm: LocalLLM) -> None:
    sampling = SamplingConfig(max_new_tokens=NEW, temperature=0)
    longest = prompt(short_llm, SHORT - NEW)
    columns = list(short_llm.propose(longest, sampling, [1, 2]))
    assert 1 <= len(columns) <= NEW
    assert all(isinstance(column, TokenColumn) for column in columns)
    with pytest.raises(ModelError, match=rf"{SHORT - NEW + 1:,} tokens .* reads {SHORT} at most"):
        next(short_llm.propose(prompt(short_llm, SHORT - NEW + 1), sampling, [1, 2]))

"""An LLM on a scripted server, and what it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config import LLMConfig, SamplingConfig
from engine.llm.halving import HalvingLLM
from engine.llm.interface import LanguageModel, Reply
from engine.llm.loading import load_llm
from engine.prompts.message import Message
from tests.support.chat_server import ChatServer
from tests.support.generators import run_through

ASK: list[Message] = [
    {"role": "system", "content": "You write."},
    {"role": "user", "content": "Write one."},
]
SAMPLED = SamplingConfig(temperature=0.7, top_p=0.8, top_k=40, max_new_tokens=9)


def llm_at(server: ChatServer, **keys: Any) -> LanguageModel:
    config = LLMConfig(kind="openai", model="m", base_url=server.url, **keys)
    return load_llm(config, lambda _: None)


def asked(
    server: ChatServer, seeds: list[int], sampling: SamplingConfig = SAMPLED, **keys: Any
) -> tuple[list[Any], list[Reply], LanguageModel]:
    llm = HalvingLLM(llm_at(server, **keys), pytest.fail)
    news, found = run_through(llm.propose(ASK, sampling, seeds))
    return news, found, llm

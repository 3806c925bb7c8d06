"""A GGUF file as people have them, with a vocabulary of 49,152 tokens and weights of 4 bits."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.config import LLMConfig, SamplingConfig
from engine.llm.chat import prompt_tokens
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message

MESSAGES: list[Message] = [
    {"role": "system", "content": "You write."},
    {"role": "user", "content": "Say 2024 in \u0939\u093f\u0928\u094d\u0926\u0940 \U0001f680."},
]


def test_it_is_the_model_that_its_folder_has(smollm2_gguf: Path, real_llm: LocalLLM) -> None:
    llm = LocalLLM.load(LLMConfig(model=str(smollm2_gguf), device="cpu", dtype="bfloat16"))
    ours, theirs = llm._model.state_dict(), real_llm._model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name].bfloat16()) for name in ours)
    prompts = [prompt_tokens(each._tokenizer, MESSAGES) for each in (llm, real_llm)]
    assert prompts[0] == prompts[1]
    assert llm._stops == real_llm._stops
    assert llm.layouts.steered == ("static", "split", "window", "reread")
    assert next(llm.propose(MESSAGES, SamplingConfig(max_new_tokens=1), [0])).texts

"""LLMs that no layout with a cache is right for, and what is said of them."""

from __future__ import annotations

import pytest

from engine.common.errors import ModelError
from engine.config import SamplingConfig
from engine.llm.interface import Remark
from engine.llm.transformers_llm import LocalLLM
from tests.support.generators import finished
from tests.support.tiny_families import tiny_family
from tests.support.tiny_llm import VOCABULARY, tiny_model, tiny_tokenizer

MESSAGES = [{"role": "user", "content": "Write one."}]
SAMPLING = SamplingConfig(max_new_tokens=3)


def test_rereading_everything_is_told_once() -> None:
    llm = LocalLLM("rwkv", tiny_family("rwkv", vocab_size=VOCABULARY), tiny_tokenizer())
    assert llm.layouts.steered == llm.layouts.plain == ("reread",)
    told = [news for news in llm.propose(MESSAGES, SAMPLING, [1]) if isinstance(news, Remark)]
    assert len(told) == 1 and told[0].text.startswith("rwkv reads prompt and reply anew for every")
    assert not any(isinstance(news, Remark) for news in llm.propose(MESSAGES, SAMPLING, [1]))
    quick = LocalLLM("mamba", tiny_model("mamba"), tiny_tokenizer())
    assert not any(isinstance(news, Remark) for news in quick.propose(MESSAGES, SAMPLING, [1]))


@pytest.mark.parametrize("family", ["gemma3n_text", "qwen4_exp_text"])
def test_several_hidden_states_a_token_are_decoded_and_not_steered(family: str) -> None:
    model = tiny_family(family, vocab_size=VOCABULARY)
    llm = LocalLLM(family, model, tiny_tokenizer())
    assert llm.layers == 0 and llm.layouts.plain[0] != "reread"
    (reply,) = finished(llm.propose(MESSAGES, SAMPLING, [1]))
    assert 0 <= reply.tokens <= 3
    with pytest.raises(ModelError, match=f"{family} can't be steered.*several hidden states"):
        llm.direction("a <category>", "the <category>", "no-bos")

"""LLMs that no layout with a cache is right for, and what is said of them."""

from __future__ import annotations

import pytest

from engine.common.errors import ModelError
from engine.config import SamplingConfig
from engine.llm.chat import compose_prompt
from engine.llm.decoding.probe import Layouts
from engine.llm.interface import Remark
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message
from tests.support.generators import finished, run_through
from tests.support.tiny_families import SEVERAL_STATES, tiny_family
from tests.support.tiny_llm import VOCABULARY, tiny_model, tiny_tokenizer

MESSAGES: list[Message] = [{"role": "user", "content": "Write one."}]
SAMPLING = SamplingConfig(max_new_tokens=3)


def test_rereading_everything_is_told_once() -> None:
    llm = LocalLLM("rwkv", tiny_family("rwkv", vocab_size=VOCABULARY), tiny_tokenizer())
    assert llm.layouts.steered == llm.layouts.plain == ("reread",)
    told = [news for news in llm.propose(MESSAGES, SAMPLING, [1]) if isinstance(news, Remark)]
    assert len(told) == 1 and told[0].text.startswith("rwkv reads prompt and reply anew for every")
    assert not any(isinstance(news, Remark) for news in llm.propose(MESSAGES, SAMPLING, [1]))
    quick = LocalLLM("mamba", tiny_model("mamba"), tiny_tokenizer())
    assert not any(isinstance(news, Remark) for news in quick.propose(MESSAGES, SAMPLING, [1]))


@pytest.mark.parametrize("beyond", [-2, -1, 1, 4, 5])
def test_a_text_that_grows_beyond_the_turn_of_longrope_is_read_anew(beyond: int) -> None:
    tokenizer = tiny_tokenizer()
    prompt = len(compose_prompt(tokenizer, MESSAGES).ids)
    turn = prompt + beyond
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [1.0, 2.0, 3.0, 4.0],
    }
    model = tiny_family(
        "phi3",
        vocab_size=VOCABULARY,
        rope_parameters=rope,
        original_max_position_embeddings=turn,
        max_position_embeddings=400,
    )
    sampling = SamplingConfig(max_new_tokens=6, thinking_tokens=0, top_k=0, top_p=1)
    llm = LocalLLM("phi3", model, tokenizer)
    assert "static" in llm.layouts.plain and llm.most_tokens(sampling) == 6
    remarks, replies = run_through(llm.propose(MESSAGES, sampling, [1, 2, 3]))
    told = [news.text for news in remarks if isinstance(news, Remark)]
    assert bool(told) == (-1 <= beyond < 5)  # the prompt but its last token, to all but the last
    assert all(f"beyond {turn} tokens" in text for text in told)
    reading = LocalLLM("phi3", model, tokenizer)
    reading._layouts = Layouts(("reread",), ("reread",))
    assert replies == run_through(reading.propose(MESSAGES, sampling, [1, 2, 3]))[1]


@pytest.mark.parametrize("family", SEVERAL_STATES)
def test_several_hidden_states_a_token_are_decoded_and_not_steered(family: str) -> None:
    model = tiny_family(family, vocab_size=VOCABULARY)
    llm = LocalLLM(family, model, tiny_tokenizer())
    assert llm.layers == 0 and llm.layouts.plain[0] == SEVERAL_STATES[family]
    (reply,) = finished(llm.propose(MESSAGES, SAMPLING, [1]))
    assert 0 <= reply.tokens <= 3
    with pytest.raises(ModelError, match=f"{family} can't be steered.*several hidden states"):
        llm.direction("a <category>", "the <category>", "no-bos")

"""Characters that a byte-level vocabulary of 49,152 tokens cuts up, as they stream."""

from __future__ import annotations

import random

import pytest

from engine.config import SamplingConfig
from engine.llm.decoding.text_stream import TextStream
from engine.llm.interface import Reply, TokenColumn
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message

HALF = "\ufffd"  # what a decoder puts for bytes that are no character
TEXTS = (
    "a photo of \U0001f680\U0001f99c, a <category>.",
    "\u65e5\u672c\u8a9e\u306e\u5199\u771f",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0444\u043e\u0442\u043e \u00e9",
    "\U0001f469\u200d\U0001f680 \U0001f1eb\U0001f1f7 \u2014 \u201cna\u00efve\u201d",
)


@pytest.mark.parametrize("text", TEXTS)
def test_characters_appear_whole(real_llm: LocalLLM, text: str) -> None:
    ids = real_llm._tokenizer(text)["input_ids"]
    stream = TextStream(real_llm._tokenizer)
    pieces = [stream.push(token) for token in ids]
    assert "" in pieces  # else no character is cut, and this shows nothing
    assert "".join(pieces) == stream.text == text
    assert not any(HALF in piece for piece in pieces)


def test_whatever_tokens_come_no_character_is_lost(real_llm: LocalLLM) -> None:
    tokenizer, chance = real_llm._tokenizer, random.Random(0)
    size = len(tokenizer)
    cut = [token for token in range(size) if HALF in tokenizer.decode([token])]
    assert len(cut) > 300
    for _ in range(1000):
        ids = [
            chance.choice(cut) if chance.random() < 0.5 else chance.randrange(size)
            for _ in range(chance.randrange(1, 14))
        ]
        stream = TextStream(tokenizer)
        pieces = [stream.push(token) for token in ids]
        whole = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert "".join(pieces) == stream.text == whole.rstrip(HALF)


def test_what_was_streamed_is_the_reply(real_llm: LocalLLM) -> None:
    """At temperature 3 tokens come from all over the vocabulary, halves of characters too."""
    messages: list[Message] = [{"role": "user", "content": f"Write as here: {TEXTS[0]} {TEXTS[1]}"}]
    sampling = SamplingConfig(temperature=3, top_p=1, top_k=0, max_new_tokens=24)
    columns = real_llm.propose(messages, sampling, range(4))
    streamed = [""] * 4
    replies: list[Reply] = []
    while not replies:
        try:
            news = next(columns)
            assert isinstance(news, TokenColumn)
            streamed = [text + new for text, new in zip(streamed, news.texts, strict=True)]
        except StopIteration as end:
            replies = end.value
    assert streamed == [reply.text for reply in replies]
    assert any(not text.isascii() for text in streamed)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.llm.decoding.text_stream import TextStream
from tests.support.tiny_llm import tiny_tokenizer

TOKENIZER = tiny_tokenizer(bos=False)


def pieces(ids: list[int], tokenizer=TOKENIZER) -> list[str]:
    stream = TextStream(tokenizer)
    shown = [stream.push(token) for token in ids]
    assert "".join(shown) == stream.text
    assert stream.tokens == len(ids)
    return shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<\ufffd")))
def test_pieces_make_up_the_text_and_are_whole_characters(text):
    shown = pieces(TOKENIZER(text)["input_ids"])
    assert "".join(shown) == text
    assert not any("\ufffd" in piece for piece in shown)


@pytest.mark.parametrize("text", ["é", "日本", "🦜", "a🦜é"])
def test_a_character_appears_with_its_last_byte(text):
    shown = pieces(TOKENIZER(text)["input_ids"])
    assert [piece for piece in shown if piece] == list(text)
    assert shown[-1] == text[-1]


def test_half_a_character_at_the_end_is_dropped():
    ids = TOKENIZER("ab🦜")["input_ids"]
    assert pieces(ids[:-1]) == ["a", "b", "", "", ""]


def test_a_token_that_ends_inside_a_character_gives_the_characters_before_it():
    """As SmolLM2 and GPT-2 have them: one token for a Cyrillic letter and half of the next."""
    token = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str("оо")[0][0][:3]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: i for i, text in enumerate([*alphabet, token])}
    backend = Tokenizer(models.BPE(vocabulary, merges=[]))
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    rest = [vocabulary[byte] for byte in ("¾", "!")]
    assert pieces([256], tokenizer) == ["о"]
    assert pieces([256, 256, *rest], tokenizer) == ["о", "\ufffdо", "о", "!"]
    assert pieces([256, *rest], tokenizer) == ["о", "о", "!"]


def test_bytes_that_are_no_text_do_not_hold_up_what_follows():
    continuation = TOKENIZER("é")["input_ids"][1]
    assert pieces([continuation, *TOKENIZER("ab")["input_ids"]]) == ["", "\ufffda", "b"]


def test_special_tokens_are_no_text():
    ids = TOKENIZER("a<|end|>b<|user|>")["input_ids"]
    assert len(ids) == 4
    assert pieces(ids) == ["a", "", "b", ""]


def test_spaces_of_a_tokenizer_that_marks_word_starts():
    """The SentencePiece way: the decoder drops the space before the first word only."""
    words = {"▁a": 0, "▁photo": 1, "s": 2, "?": 3}
    backend = Tokenizer(models.WordLevel(words, "?"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert pieces([0, 1, 2, 1], tokenizer) == ["a", " photo", "s", " photo"]

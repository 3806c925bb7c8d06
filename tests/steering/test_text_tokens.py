"""What is taken as a text's own tokens, and what is put in front, for every kind of tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from engine.steering.text_tokens import Front, find_front, split_tokens
from tests.support.tiny_llm import SPECIAL, VOCABULARY, tiny_tokenizer

BOS, EOS, SYSTEM, USER = 0, 1, 2, 3
TEXT = "a <category>."


def tokenizer(around: str) -> Any:
    """One whose post-processor reads a text $A as this."""
    made = tiny_tokenizer(bos=False)
    if around != "$A":
        names = [(name, i) for i, name in enumerate(SPECIAL) if name in around]
        made.backend_tokenizer.post_processor = TemplateProcessing(
            single=around, special_tokens=names
        )
    return made


OWN = tuple(tokenizer("$A")(TEXT)["input_ids"])


def pair(tokenizer: Any, *texts: str) -> Front:
    split = [split_tokens(tokenizer, text) for text in texts or (TEXT, "b")]
    return find_front(tokenizer, split, VOCABULARY)


@pytest.mark.parametrize(
    ("around", "before", "after"),
    [
        ("$A", (), ()),
        ("<s> $A", (BOS,), ()),
        ("<s> $A </s>", (BOS,), (EOS,)),
        ("$A </s>", (), (EOS,)),
        ("</s> $A", (EOS,), ()),  # OPT, XGLM
        ("<|system|> <|user|> $A", (SYSTEM, USER), ()),  # GLM: [gMASK] <sop>
    ],
)
def test_what_is_added_is_no_part_of_the_text(around, before, after) -> None:
    tokens = split_tokens(tokenizer(around), TEXT)
    assert (tokens.before, tokens.own, tokens.after) == (before, OWN, after)
    assert tokens.whole == [*before, *OWN, *after] == tokenizer(around)(TEXT)["input_ids"]


def test_what_the_tokenizer_adds_in_front_stays_there() -> None:
    assert pair(tokenizer("<s> $A")) == Front((BOS,), None)
    assert pair(tokenizer("<|system|> <|user|> $A </s>")) == Front((SYSTEM, USER), None)


@pytest.mark.parametrize("around", ["$A", "$A </s>"])
def test_bos_is_put_in_front_where_nothing_is(around) -> None:
    assert pair(tokenizer(around)) == Front((BOS,), "<s>")


def test_without_bos_it_is_eos_then_any_special_token_then_a_line_end() -> None:
    found = tokenizer("$A")
    found.bos_token = None
    assert pair(found) == Front((EOS,), "</s>")
    found.eos_token = None
    assert pair(found) == Front((SYSTEM,), "<|system|>")
    bare = tiny_tokenizer(bos=False)
    bare.backend_tokenizer.post_processor = None

    class Bare:
        all_special_ids = ()

        def __call__(self, text: str, **options: Any) -> Any:
            return bare(text, **options)

        def decode(self, ids: list[int]) -> str:
            return str(bare.decode(ids))

    assert pair(Bare()).put == "\n"


def test_a_token_that_the_model_does_not_know_is_passed_over() -> None:
    found = tokenizer("$A")
    found.add_special_tokens({"bos_token": "<new>"})
    assert found.bos_token_id >= VOCABULARY
    assert pair(found) == Front((EOS,), "</s>")


def test_both_texts_get_the_same_where_one_has_it() -> None:
    """Some add BOS only where a text has none, or it stands in the text."""
    found = tokenizer("$A")
    assert pair(found, TEXT, f"<s>{TEXT}") == Front((BOS,), None)
    tokens = split_tokens(found, f"<s>{TEXT}")
    assert (tokens.before, tokens.own) == ((BOS,), OWN)


def test_a_tokenizer_that_adds_bos_whatever_it_is_told() -> None:
    inner = tokenizer("<s> $A </s>")

    class Stubborn:
        all_special_ids = inner.all_special_ids

        def __call__(self, text: str, add_special_tokens: bool = True) -> Any:
            return inner(text)

    tokens = split_tokens(Stubborn(), TEXT)
    assert (tokens.before, tokens.own, tokens.after) == ((BOS,), OWN, (EOS,))

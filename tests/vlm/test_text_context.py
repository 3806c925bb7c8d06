"""Class texts longer than what the text tower reads, by the count of the model's own tokenizer."""

from __future__ import annotations

import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from engine.prompts.template import PLACEHOLDER, RejectReason
from engine.vlm.dual_encoder.text_context import TextContext, TextFit
from engine.vlm.loading import load_fitness

NAMES = ("cat", "great tit", "a very small red boat with two sails", "caf\u00e9")
CLIP = open_clip.SimpleTokenizer()


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory) -> str:
    """A folder with a tokenizer of transformers that has a token for each byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {letter: index for index, letter in enumerate([*letters, "<pad>", "<end>"])}
    tokenizer = Tokenizer(models.BPE(ids, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <end>", special_tokens=[("<end>", ids["<end>"])]
    )
    folder = tmp_path_factory.mktemp("byte-level")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>"
    ).save_pretrained(folder)
    return str(folder)


def words(count: int) -> str:
    return " ".join(["word"] * count)


def cut_by_hand(template: str, names=NAMES, limit: int = 77) -> int:
    return sum(len(CLIP.encode(template.replace(PLACEHOLDER, n))) + 2 > limit for n in names)


@pytest.mark.parametrize("before", [0, 5, 60, 66, 70, 73, 74, 75, 80, 200])
@pytest.mark.parametrize("after", [0, 3, 100])
def test_clip_s_tokenizer_is_counted_exactly(before, after):
    template = f"{words(before)} {PLACEHOLDER} {words(after)}"
    fit = TextContext(CLIP, NAMES).fit(template)
    assert (fit.classes, fit.limit, fit.cut) == (4, 77, cut_by_hand(template))
    texts = CLIP([template.replace(PLACEHOLDER, name) for name in NAMES])
    distinct = len({tuple(row) for row in texts.tolist()})
    assert (fit.lost == 0) == (distinct == 4)
    assert (fit.lost == 4) == (distinct == 1)


@given(st.text(max_size=120), st.text(max_size=60))
def test_whatever_the_template_no_cut_is_missed(before, after):
    template = f"{before}{PLACEHOLDER}{after}"
    assert TextContext(CLIP, NAMES).fit(template).cut == cut_by_hand(template)


def test_a_name_that_falls_off_for_some_classes():
    names = ("cat", "dog", "very small red cat", "very small red dog")
    fit = TextContext(CLIP, names).fit(f"{words(72)} {PLACEHOLDER}")
    assert fit == TextFit(classes=4, limit=77, cut=2, lost=2)


def test_a_second_placeholder_may_fall_off_without_loss():
    fit = TextContext(CLIP, NAMES).fit(f"a {PLACEHOLDER}, {words(80)} {PLACEHOLDER}")
    assert (fit.cut, fit.lost) == (4, 0)


@pytest.mark.parametrize("clean", ["whitespace", "lower", "canonicalize"])
def test_tokenizers_of_transformers_are_asked_without_their_limit(byte_level, clean):
    tokenizer = HFTokenizer(byte_level, context_length=32, clean=clean)
    context = TextContext(tokenizer, NAMES)
    assert context.limit == 32
    assert context.count("abc abc abc") == 12
    assert context.fit(f"a {PLACEHOLDER}") == TextFit(4, 32, 1, 0)
    # Bytes: 29 and a space before the name leave room for a single one of it, and two are c.
    assert context.fit(f"{'x' * 29} {PLACEHOLDER}") == TextFit(4, 32, 4, 2)
    assert context.fit(f"{'x' * 40} {PLACEHOLDER}") == TextFit(4, 32, 4, 4)


def test_tokenizers_that_cannot_be_asked_are_tried():
    def tokenizer(texts):
        rows = torch.zeros(len(texts), 16, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            codes = [ord(letter) for letter in text[:16]]
            row[: len(codes)] = torch.tensor(codes)
        return rows

    context = TextContext(tokenizer, ("cat", "dog"))
    assert context.fit(f"a {PLACEHOLDER}") == TextFit(2, 16)
    assert context.fit(f"a {PLACEHOLDER}, {words(9)}") == TextFit(2, 16, 2, 0)
    assert context.fit(f"{words(9)} {PLACEHOLDER}") == TextFit(2, 16, 2, 2)


def test_names_that_are_long_or_one_to_the_tokenizer_are_named():
    long = " ".join(["remarkably"] * 60)
    context = TextContext(CLIP, ("cat", "Cat", "dog", long, words(100), words(101)))
    first, second, third = context.remarks()
    assert "more than half of the 77 tokens" in first
    assert repr(f"{long[:39]}\u2026") in first
    assert second == "the VLM's tokenizer reads these class names as one: 'cat', 'Cat'"
    assert "as one: 'word word" in third
    assert TextContext(CLIP, NAMES).remarks() == []


def test_a_template_is_refused_where_most_classes_cannot_be_told_apart(run_config):
    fitness = load_fitness(run_config(), print, print)
    assert fitness.check(f"a photo of a {PLACEHOLDER}.") == fitness.check(PLACEHOLDER)
    assert fitness.check(PLACEHOLDER).note is None
    cut = fitness.check(f"a {PLACEHOLDER}, {words(90)}")
    assert cut.note == "the VLM reads 77 tokens of a text: cut for 4 of 4 classes"
    assert cut.reason is None
    off = fitness.check(f"{words(90)} {PLACEHOLDER}")
    assert off.reason is RejectReason.CUT_OFF
    assert off.note == f"{cut.note}, 4 of them the same as another"
    assert (
        off.sentence
        == f"What the VLM reads of the template ends before {PLACEHOLDER}. ({off.note})"
    )

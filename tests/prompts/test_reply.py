"""Replies as LLMs really give them, and what engine.prompts.reply makes of them."""

from __future__ import annotations

import time
import unicodedata
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prompts.message import Accept
from engine.prompts.reply import Parsed, parse_reply
from engine.prompts.template import PLACEHOLDER, RejectReason, normalise
from tests.support.replies import ANY_TEXT, BIRD, FINISH, PHOTO, VALID

# (reply that ends at the token limit, template)
CUT_OFF = [
    ("A photo of a <category>. It is se", PHOTO),
    ("A photo of a <category>.", PHOTO),
    ('"A photo of a <category>."', PHOTO),
    ('"A photo of a <category>"', "A photo of a <category>"),
    ("A photo of a <category>.\n\nThis template comb", PHOTO),
    ("1. A photo of a <category>.\n2. An image of a <cat", PHOTO),
    ("1. A photo of a <category>\n2. An image of a <category> in th", "A photo of a <category>"),
    ('"A photo of a <category>. It lives in', PHOTO),
    ("A photo of a <category>. (accuracy: 5", PHOTO),
    ("一张<category>的照片。它在", "一张<category>的照片。"),
    ("A photo of a <category>.<|eot_id|>user", PHOTO),
    ("A photo of a <category><|eot_id|>assistant and so", "A photo of a <category>"),
]

# (reply, finish, reason)
REJECTED = [
    ("", "stop", "empty"),
    (" \n\t ", "stop", "empty"),
    ('"..."', "stop", "empty"),
    ("<|eot_id|>", "stop", "empty"),
    ("\x00\u202e", "length", "empty"),
    ("A photo of a dog.", "stop", "no-placeholder"),
    ("assistant", "stop", "no-placeholder"),
    ("A photo of a category.", "stop", "no-placeholder"),
    ("<think>A photo of a <category>.</think>A photo.", "stop", "no-placeholder"),
    ("I'm sorry, but I can't help with that.", "stop", "question-or-refusal"),
    ("I cannot write a template with <category>.", "stop", "question-or-refusal"),
    ("Could you tell me more about the dataset?", "stop", "question-or-refusal"),
    ("抱歉，我无法完成这个任务。", "stop", "question-or-refusal"),
    ("Please replace <category> with the name of the class.", "stop", "not-a-template"),
    ("Here is a new template with the placeholder <category>:", "stop", "not-a-template"),
    ("A photo of a [adjective] <category>.", "stop", "open-slot"),
    ("A photo of a [adjective, e.g. red] <category>.", "stop", "open-slot"),
    ("A photo of a [adjective, e.g. <category>.", "stop", "open-slot"),
    ("A photo of a <category> with <detail>.", "stop", "open-slot"),
    ("A {color} <category>.", "stop", "open-slot"),
    ("A photo of a ____ <category>.", "stop", "open-slot"),
    ("A photo of a <category> with a", "stop", "unfinished"),
    ("A photo of a <category>, a", "length", "unfinished"),
    ("A photo of a <category> in the wild with many", "length", "unfinished"),
    ("A photo of a <category>, e.g.", "length", "unfinished"),
    ("Here is a new template that keeps what the best", "length", "unfinished"),
    ("A photo of a <categ", "length", "unfinished"),
    ("<think>Let me think about <category>", "length", "unfinished"),
    ("A photo of a <category> " + "and so on " * 40 + "now.", "stop", "too-long"),
]


@pytest.mark.parametrize(("reply", "template"), VALID)
def test_template_is_read(reply: str, template: str | None) -> None:
    parsed = parse_reply(reply)
    assert parsed.template == (reply if template is None else template), parsed
    assert parsed.reason is None


@pytest.mark.parametrize(("reply", "template"), CUT_OFF)
def test_whole_sentences_of_a_cut_off_reply_are_kept(reply: str, template: str) -> None:
    assert parse_reply(reply, finish="length").template == template


@pytest.mark.parametrize(("reply", "finish", "reason"), REJECTED)
def test_rejected_with_a_reason(reply: str, finish: str, reason: str) -> None:
    parsed = parse_reply(reply, finish=finish)  # type: ignore[arg-type]
    assert parsed.template is None
    assert parsed.reason == reason, parsed
    assert "\n" not in RejectReason(reason).explanation


def test_the_note_says_what_was_cleaned() -> None:
    assert parse_reply(PHOTO).note is None
    assert parse_reply('New template: "A photo of a <category>."').note == (
        "removed a preface, quotes"
    )
    listed = "1. A photo of a <category>. -> 61.0\n2. An image of a {}. -> 55.0\n3. A {}. -> 50.0"
    assert parse_reply(listed).note == "removed an accuracy; took the first of 3 listed templates"
    assert parse_reply("A [adjective] <category>.").note == "[adjective]"
    assert "350" in str(parse_reply("<category> " + "x" * 339, max_length=349).note)


def test_the_length_limit_cuts_extra_sentences_first() -> None:
    reply = "A photo of a <category>. It is seen at night."
    assert parse_reply(reply, max_length=30).template == PHOTO
    assert parse_reply(reply, max_length=10).reason is RejectReason.TOO_LONG


def test_every_reason_is_explained() -> None:
    for reason in RejectReason:
        assert reason.explanation.endswith(".")
        assert len(reason.explanation) < 80


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A photo of a <category>.", "a Photo  of a {} "),
        ("“A photo of a <category>”", "A photo of a <category>!"),
        ("a bird's-eye view of a <category>", "A bird’s-eye view of a [class]."),
        ("Ｐhoto of a ＜category＞。", "photo of a <category>"),
        ("Straße mit <category>", "STRASSE MIT <CATEGORY>"),
        ("a photo of\u200b a <category>", "a photo of a <category>"),
    ],
)
def test_normalise_makes_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_normalise_keeps_different_templates_apart() -> None:
    different = [PHOTO, BIRD, "A photo of the <category>.", "A photo of <category>s.", "<category>"]
    assert len({normalise(template) for template in different}) == len(different)


# --- Properties ---------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT, FINISH)
def test_any_text_gives_a_clean_stable_template_or_a_reason(text, finish):
    parsed = parse_reply(text, finish=finish)
    if parsed.template is None:
        assert parsed.reason is not None
        return
    template = parsed.template
    assert parsed.reason is None
    assert PLACEHOLDER in template
    assert template == template.strip()
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in template)
    assert not any(c in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069" for c in template)
    assert parse_reply(template) == Parsed(template=template)
    assert PLACEHOLDER in normalise(template)


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT)
def test_normalise_is_idempotent(text):
    key = normalise(text)
    assert normalise(key) == key


WORDS = st.sampled_from(
    ("photo", "picture", "bright", "small", "bird's-eye", "view", "of", "with", "in", "near",
     "garden", "assistants", "10:30", "tree", "café", "12", "shot-glass", "model's", "class")
)  # fmt: skip


@st.composite
def plain_templates(draw):
    before = " ".join(draw(st.lists(WORDS, max_size=6)))
    after = " ".join(draw(st.lists(WORDS, max_size=6)))
    colon = draw(st.sampled_from(["", ": a type of bird", ", a wild animal", " (close-up)"]))
    text = f"The {before} {PLACEHOLDER} {after}"
    return " ".join(text.split()) + colon + draw(st.sampled_from([".", "!", "?"]))


@settings(max_examples=100, deadline=None)
@given(plain_templates())
def test_normalise_ignores_case_spacing_and_quotes(template):
    key = normalise(template)
    assert normalise(template.upper().replace("<CATEGORY>", "{}")) == key
    assert normalise(f"  “{template.replace(' ', '   ')}”\n") == key
    assert normalise(template.replace("'", "’")) == key
    assert normalise(template[:-1]) == key


PREFACES = [
    "", "Sure! ", "Here is a new template: ", "Here is a new template:\n\n", "New template: ",
    "Template: ", "**Template:** ", "Template 3: ", "Voici :\n", "Hier ist eine neue Vorlage: ",
    "以下是一个新的模板：", "assistant\n\n", "Certainly!\n\n", "<think>\nwell\n</think>\n\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n", "I suggest: ",
]  # fmt: skip
BULLETS = ["", "- ", "* ", "1. ", "2) ", "• ", "> "]
WRAPS = [
    ("", ""), ('"', '"'), ("“", "”"), ("«\u00a0", "\u00a0»"), ("„", "“"), ("「", "」"), ("'", "'"),
    ("**", "**"), ("`", "`"), ('**"', '"**'), ("```\n", "\n```"),
]  # fmt: skip
TRAILERS = [
    "",
    "\n",
    " -> 54.4",
    " (accuracy: 61.2)",
    "\nAccuracy: 54.4",
    "<|eot_id|>",
    "\n\nThis template keeps what the best ones share.",
    "\n\nLet me know if you need more!",
]


@settings(max_examples=200, deadline=None)
@given(
    plain_templates(),
    st.sampled_from(PREFACES),
    st.sampled_from(BULLETS),
    st.sampled_from(WRAPS),
    st.sampled_from(TRAILERS),
)
def test_a_wrapped_template_comes_back_exactly(template, preface, bullet, wrap, trailer):
    if "```" in wrap[0]:
        bullet = ""
    reply = preface + bullet + wrap[0] + template + wrap[1] + trailer
    assert parse_reply(reply).template == template, reply


@pytest.mark.parametrize(
    "text",
    [
        "a", " ", "\n", '"', "'", "“", "«", "-", "<", "{", "[", "(", ":", ".", "!", "\\",
        "&amp;", "_", "*", "`", "<category>", "<category> ", "<category>\n", '"<category>" ',
        "<category>. ", "<think>", "</think>", "\x1b[", "\x1b]", "<|", "1. ", "Template: ",
        "Here is a template ", "(accuracy ", "-> ", "e.g. ", "Sure! ", "，", "。", "|", "&",
        "\u202e", "<category>: ", "a: ", "{c", "‘<category> ", "a\n", "of\n", "a of ", "a, (",
        "<|channel|>", "<|start|>", "<|message|>", "<|end|>", "[THINK]", "◁", "analysisA",
        "assistantfinal", "<category></category>", "</category>", "${category}", "accuracy 80 ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", get_args(Accept))
def test_adversarial_replies_take_linear_time(accept, text):
    reply = text * (50_000 // len(text))
    start = time.process_time()  # whatever else the machine does
    for reply_ in (reply, reply + PLACEHOLDER, "A <category> " + reply, f'"{reply}'):
        parse_reply(reply_, accept=accept)
    assert time.process_time() - start < 1.0  # under 0.25 s each

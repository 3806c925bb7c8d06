"""Replies of LLMs that were asked for a question about an image."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.message import Accept
from engine.prompts.question import MAX_LENGTH, parse_question
from engine.prompts.reply import MAX_VERBATIM
from engine.prompts.template import RejectReason

WHAT = "What object is shown in this image?"


@pytest.mark.parametrize(
    ("reply", "question"),
    [
        (WHAT, WHAT),
        (f'"{WHAT}"', WHAT),
        (f"“{WHAT}”", WHAT),
        (f"Question: {WHAT}", WHAT),
        (f"New prompt: {WHAT}", WHAT),
        (f"Template: {WHAT}", WHAT),
        (f"1. {WHAT}\n2. Name the animal.", WHAT),
        (f"- {WHAT}", WHAT),
        (f"Sure! Here is a better prompt:\n\n{WHAT}", WHAT),
        (f"Here is one:\n```\n{WHAT}\n```\nIt works well.", WHAT),
        (f"**{WHAT}**", WHAT),
        (f"<think>They want a name.</think>{WHAT}", WHAT),
        (f"{WHAT} -> 54.4", WHAT),
        (f'{{"question": "{WHAT}"}}', WHAT),
        (f"This question asks for a name.\n{WHAT}", WHAT),
        ("Name the main object in one word.", "Name the main object in one word."),
        (
            "Look at the picture. Which flower is it? Answer with its name only.",
            "Look at the picture. Which flower is it? Answer with its name only.",
        ),
        ("这张图片里是什么？", "这张图片里是什么？"),
    ],
)
@pytest.mark.parametrize("accept", ["clean", "usable"])
def test_the_question_is_found(reply: str, question: str, accept: Accept) -> None:
    assert parse_question(reply, accept=accept).template == question


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", RejectReason.EMPTY),
        ("...", RejectReason.EMPTY),
        ("I'm sorry, but I can't help with that.", RejectReason.QUESTION_OR_REFUSAL),
        ("What is it? " * 100, RejectReason.TOO_LONG),
    ],
)
def test_what_is_none_is_rejected(reply: str, reason: RejectReason) -> None:
    assert parse_question(reply).reason == reason


def test_a_cut_off_end_goes_or_is_the_reason() -> None:
    reply = f"{WHAT} Answer with the"
    assert parse_question(reply, finish="length", accept="usable").template == WHAT
    assert parse_question(reply, finish="length").reason == RejectReason.UNFINISHED
    cut = "What object is shown in"
    assert parse_question(cut, finish="length", accept="usable").reason == RejectReason.UNFINISHED
    assert parse_question(WHAT, finish="thinking").reason == RejectReason.THOUGHT_TOO_LONG


def test_verbatim_keeps_all_but_quotes_and_preface() -> None:
    reply = f'Here it is:\n"{WHAT} It may be small."'
    assert parse_question(reply, accept="verbatim").template == f"{WHAT} It may be small."


@given(
    st.text(max_size=600), st.sampled_from(get_args(Accept)), st.sampled_from(["stop", "length"])
)
def test_any_reply_gives_a_question_or_a_reason(text: str, accept: Accept, finish: str) -> None:
    parsed = parse_question(text, accept=accept, finish=finish)
    assert (parsed.template is None) != (parsed.reason is None)
    if parsed.template is not None:
        assert 0 < len(parsed.template) <= (MAX_VERBATIM if accept == "verbatim" else MAX_LENGTH)
        assert "\n" not in parsed.template


@pytest.mark.parametrize("accept", ["usable", "clean"])
def test_a_question_that_an_accuracy_follows_was_not_cut_off(accept) -> None:
    parsed = parse_question("Say what is in the image -> 4", finish="length", accept=accept)
    assert parsed.template == "Say what is in the image"

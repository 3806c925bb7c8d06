"""The words of a template, in rows that punctuation and the placeholder end."""

from __future__ import annotations

import pytest

from engine.analysis.phrase_words import (
    all_words,
    has_words,
    is_phrase,
    runs_of_words,
    without_links,
    without_words,
)
from engine.prompts.template import PLACEHOLDER, normalise


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("A photo of a {}.", ["a photo of a"]),
        ("a {c}, in blue light; very dark", ["a", "in blue light", "very dark"]),
        ("a close-up of the kids' <category> - well-lit", ["a close-up of the kids", "well-lit"]),
        ("it's a 'red' <category>", ["it's a", "red"]),
        ("What is this? Answer <category>", ["what is this", "answer"]),
        ("light/dark <category> + 3 more", ["light", "dark", "3 more"]),
        ("यह <category> की तस्वीर है", ["यह", "की तस्वीर है"]),  # vowel signs are parts of letters
        ("<category>", []),
        ("", []),
    ],
)
def test_rows_end_at_punctuation_and_at_the_placeholder(text: str, runs: list[str]) -> None:
    assert [" ".join(run) for run in runs_of_words(normalise(text))] == runs


def test_all_words_have_the_placeholder_where_it_stands() -> None:
    assert all_words("a <category>, in blue") == ("a", PLACEHOLDER, "in", "blue")
    assert all_words("<category>") == (PLACEHOLDER,)
    assert all_words("what is it") == ("what", "is", "it")


def test_words_are_taken_out_where_they_are_in_a_row() -> None:
    key = "blue light on a <category>, blue light, light blue"
    assert list(without_words(key, ("blue", "light"))) == [
        ("on", "a", PLACEHOLDER, "blue", "light", "light", "blue"),
        ("blue", "light", "on", "a", PLACEHOLDER, "light", "blue"),
    ]
    assert not list(without_words(key, ("a", "blue")))  # the placeholder is between them


def test_a_phrase_ends_with_a_word_that_says_something() -> None:
    assert is_phrase(("in", "blue")) and is_phrase(("blue",))
    assert not is_phrase(("blue", "in", "the")) and not is_phrase(())
    assert without_links(("in", "the", "blue", "light")) == ("blue", "light")


def test_words_are_found_in_a_row_only() -> None:
    assert has_words(("a", "b", "c"), ("b", "c")) and has_words(("a",), ("a",))
    assert not has_words(("a", "b", "c"), ("a", "c")) and not has_words(("a",), ("a", "a"))

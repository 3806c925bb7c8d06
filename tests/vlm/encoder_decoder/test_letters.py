"""Which option an answer names."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.vlm.encoder_decoder.letters import LETTERS, read_letter

OPTIONS = ("dog", "cat", "fish cake", "cake")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        (" b ", "B"),
        ("a", "A"),
        ("(C)", "C"),
        ("**D.**", "D"),
        ("Ｂ", "B"),
        ("Option B", "B"),
        ("Answer: C", "C"),
        ("The answer is B.", "B"),
        ("The correct answer is (c).", "C"),
        ("The answer is A.", "A"),
        ("The answer is A because it barks.", "A"),
        ("The answer is a cat.", "B"),
        ("The answer is A cat.", "B"),
        ("I choose option D, as it is sweet.", "D"),
        ("Looking at the ears, the answer: B\nIt has whiskers.", "B"),
        ("A) dog B) cat C) fish cake D) cake. The answer is B", "B"),
        ("B) cat", "B"),
        ("B. cat", "B"),
        ("C: fish cake", "C"),
        ("D - a cake", "D"),
        ("It has whiskers, so it is (B).", "B"),
        ("It has whiskers, so it is B.", "B"),
        ("There is fur. It barks. A", "A"),
        ("A dog is here", "A"),
        ("a cat sits on a chair", "B"),
        ("The picture shows a fish cake on a plate.", "C"),
        ("a fish-cake", "C"),
        ("It is not a dog but a cat.", "B"),
        ("The answer is not B. It is (C).", "C"),
        ("the dog", "A"),
    ],
)
def test_the_option_that_an_answer_names(answer: str, letter: str) -> None:
    assert read_letter(answer, OPTIONS) == LETTERS.index(letter)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "...",
        "A bird is here",
        "A picture of a street at night.",
        "I can't tell.",
        "E",
        "AB",
        "B or C",
        "The answer is A or B.",
        "The answer is B. No, the answer is C.",
        "a dog and a cat",
        "It is not a dog.",
        "The answer is not B.",
        "It isn't (B).",
        "This is vitamin C.",
        "Plan B failed and a band plays.",
        "B-movies",
        "A's",
        "dogs and catfish",
    ],
)
def test_answers_that_name_no_option_or_several(answer: str) -> None:
    assert read_letter(answer, OPTIONS) is None


WORDS = st.sampled_from(
    ["a", "A", "bird", "is", "here", "in", "the", "street", "An", "owl", "shown", "with", "light"]
)


@given(st.lists(WORDS, min_size=2, max_size=12))
def test_prose_without_an_option_in_it_names_none(words: list[str]) -> None:
    assert read_letter(" ".join([*words, "bird"]), OPTIONS) is None


@given(st.text(max_size=300), st.lists(st.text(max_size=20), min_size=4, max_size=4))
@example("A" * 5000, ["", " ", "_", "-"])
@example("(" * 5000 + "B", ["((", "[", "\\", "*"])
@example("the answer is " * 3000, ["", "", "", ""])
def test_any_text_is_read(answer: str, options: list[str]) -> None:
    assert read_letter(answer, options) in (None, 0, 1, 2, 3)


@given(
    st.sampled_from(LETTERS),
    st.sampled_from(["{}", "({})", "{}.", "**{}**", "Answer: {}", "The answer is {}.", "{}) it"]),
    st.sampled_from(["", " ", "\n", "\t"]),
)
def test_a_letter_alone_is_found_whatever_is_around_it(letter: str, form: str, blank: str) -> None:
    found = read_letter(blank + form.format(letter) + blank, ("one", "two", "three", "four"))
    assert found == LETTERS.index(letter)

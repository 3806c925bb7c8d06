"""The word diff of two templates reads without colours, and nothing of the texts is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glov_tui.cockpit.word_diff import word_diff
from glov_tui.common.text import clean

HINDI = "\u0939\u093f\u0928\u094d\u0926\u0940"  # letters with marks between them


def plain(first: str, second: str) -> str:
    return "".join(text for text, _ in word_diff(first, second))


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("a photo of a <category>.", "a photo of a <category>.", "a photo of a <category>."),
        ("a dark photo of a dog.", "a photo of a dog.", "a{+ dark+} photo of a dog."),
        ("a photo of a dog.", "a dark photo of a dog.", "a[- dark-] photo of a dog."),
        ("a red cup", "a blue cup", "a [-blue-]{+red+} cup"),
        # What only spaces part is one change.
        ("a big red cup", "a tiny blue cup", "a [-tiny blue-]{+big red+} cup"),
        ("", "a cup", "[-a cup-]"),
        ("<category>", "category", "[-category-]{+<category>+}"),
        # An accent goes with its letter, an emoji is one, what has no spaces goes by characters.
        ("un cafe\u0301s noir", "un cafes noir", "un [-cafes-]{+cafe\u0301s+} noir"),
        (HINDI, "", f"{{+{HINDI}+}}"),
        ("is 👩\ufe0f👧 it", "is 👩\ufe0f it", "is 👩\ufe0f{+👧+} it"),
        ("a 👩\u200d🔬", "a 👩\u200d🌾", "a [-👩\ufffd🌾-]{+👩\ufffd🔬+}"),
        ("这是红色的猫", "这是蓝色的猫", "这是[-蓝-]{+红+}色的猫"),
        ("a_b c1", "a_c c1", "[-a_c-]{+a_b+} c1"),
        ("What is it?\x1b[2J", "What is it?", "What is it?{+\ufffd[2J+}"),
    ],
)
def test_what_only_one_has_is_signed(first: str, second: str, shown: str) -> None:
    assert plain(first, second) == shown


TEXTS = st.text(st.sampled_from("ab ,.<é漢\u0301\u200d👩\x1b"), max_size=30)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_back(first: str, second: str) -> None:
    spans = word_diff(first, second)
    ours = "".join(re.sub(r"^\{\+|\+\}$", "", t) for t, style in spans if style != "bad")
    theirs = "".join(re.sub(r"^\[-|-\]$", "", t) for t, style in spans if style != "good")
    assert (ours, theirs) == (clean(first), clean(second))

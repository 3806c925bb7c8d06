import json
import tomllib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glov_tui.common.text import clean, escape_json, escape_toml


@given(st.text())
def test_nothing_that_moves_the_cursor_is_left(text: str) -> None:
    shown = clean(text)
    assert len(shown) == len(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
    assert "\u202e" not in shown


def test_escape_sequences_stay_visible_and_harmless() -> None:
    assert clean("a\x1b[31mb\u202ec\x9bd") == "a\ufffd[31mb\ufffdc\ufffdd"


def test_plain_text_of_any_script_is_untouched() -> None:
    for text in ("a photo of a <category>.", "ein Bild, süß", "图片", "صورة", "[bold]x[/]"):
        assert clean(text) == text


HIDDEN = "\u00ad\u034f\u061c\u115f\u200b\u200c\u200d\u2028\u202e\u2060\u2066\u3164\ufeff\U000e0041"


@pytest.mark.parametrize("character", HIDDEN)
def test_what_can_not_be_seen_is_shown_to_be_there(character: str) -> None:
    assert clean(f"a{character}b") == "a\ufffdb"


def test_what_only_looks_as_if_it_had_no_width_stays() -> None:
    for text in ("❤\ufe0f", "e\u0301", "\u0600", "\u00a0", "\u3000"):
        assert clean(text) == text


@given(st.dictionaries(st.text(), st.text()))
def test_documents_say_the_same_and_hold_nothing_that_a_terminal_obeys(known: dict) -> None:
    shown = escape_json(json.dumps(known, ensure_ascii=False, indent=1))
    assert json.loads(shown) == known
    assert clean(shown.replace("\n", "")) == shown.replace("\n", "")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_of_toml_stays_what_it_is(text: str) -> None:
    import tomlkit

    shown = escape_toml(tomlkit.dumps({"key": text}))
    assert tomllib.loads(shown) == {"key": text}
    assert "\x7f" not in shown and "\u202e" not in shown

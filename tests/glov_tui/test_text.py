import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from glov_tui.text import clean


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

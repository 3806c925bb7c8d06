"""What a terminal is told to be able to show, and the plain twins of what it isn't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from glov_tui.terminal.terminal_kind import (
    encode_plain,
    shows_shades,
    speaks_unicode,
    wants_colour,
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "C"}, False),
        ({"LANG": "POSIX"}, False),
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.utf8@euro"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "de_DE"}, False),
        ({"LANG": "C.UTF-8"}, True),
        ({}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LC_ALL": "", "LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, True),
        ({"LC_CTYPE": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, False),
        ({"LANG": "en_US.UTF-8", "TERM": "xterm-256color"}, True),
    ],
)
def test_unicode_by_locale_and_term(environ: dict[str, str], expected: bool) -> None:
    assert speaks_unicode(environ) is expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_by_environment(environ: dict[str, str], expected: bool) -> None:
    assert wants_colour(environ) is expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"TERM": "xterm"}, False),
        ({"TERM": "screen-16color"}, False),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True),
        ({"TERM": "tmux-256color"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm", "TEXTUAL_COLOR_SYSTEM": "truecolor"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ],
)
def test_shades_need_more_than_sixteen_colours(environ: dict[str, str], expected: bool) -> None:
    assert shows_shades(environ) is expected
    if environ and environ.keys() <= {"TERM", "COLORTERM"}:
        console = Console(force_terminal=True, _environ=environ)
        assert expected is (console.color_system in ("256", "truecolor"))


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), max_size=40))
def test_plain_text_is_as_wide_as_it_was(text: str) -> None:
    plain = encode_plain(text).decode("ascii")
    assert cell_len(plain) == sum(cell_len(character) for character in text)
    assert plain.isprintable()


def test_frames_bars_and_letters_stay_readable() -> None:
    assert encode_plain("╭─╮│┃╯ ▶ “é”…\x1b[0m") == b'+-+||+ > "e"~\x1b[0m'
    assert encode_plain("\u2800\u2801\u28ff") == b" .#"
    assert encode_plain("漢ß\ud800") == b"????"

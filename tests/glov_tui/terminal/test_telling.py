"""Which terminal takes what, and that nothing that is told can be more than told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glov_tui.terminal.telling import (
    LONGEST_BODY,
    LONGEST_TITLE,
    Dialect,
    Multiplexer,
    TmuxClient,
    Told,
    notification,
    progress_sequence,
    what_it_takes,
)

ITERM = {"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}
GHOSTTY = {"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}


@pytest.mark.parametrize(
    ("environ", "dialect", "through"),
    [
        (ITERM, "osc9", None),
        (GHOSTTY, "osc777", None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "osc777", None),
        ({"TERM": "rxvt-unicode-256color"}, "osc777", None),
        ({"TERM": "xterm-kitty"}, "osc99", None),  # TERM travels over SSH
        ({"TERM": "xterm-ghostty"}, "osc777", None),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "osc9", None),  # over SSH
        ({"TERM": "xterm-256color"}, None, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None, None),
        ({"TERM": "xterm-kitty", "TERM_PROGRAM": "vscode"}, None, None),
        ({"TERM": "dumb", "TERM_PROGRAM": "ghostty"}, None, None),
        ({"TERM_PROGRAM": "ghostty"}, None, None),
        ({}, None, None),
        ({"TERM": "linux"}, None, None),
        # tmux: what it is shown on is known from what travels only
        ({"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}, "osc9", "tmux"),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, "osc9", "tmux"),
        ({"TERM": "screen", "LC_TERMINAL": "iTerm2", "STY": "1.x"}, "osc9", "screen"),
        ({"TERM": "screen", "LC_TERMINAL": "iTerm2", "STY": "1.x", "TMUX": "s"}, "osc9", "tmux"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "tmux"}, None, "tmux"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/s,1,0", "KITTY_WINDOW_ID": "1"}, None, "tmux"),
    ],
)
def test_by_what_terminal_it_is(
    environ: dict[str, str], dialect: str | None, through: Multiplexer | None
) -> None:
    told = what_it_takes(environ)
    assert told.dialect == dialect
    assert told.dialect is None or told.through == through


@pytest.mark.parametrize(
    ("client", "dialect"),
    [
        (TmuxClient("iTerm2 3.6.6"), "osc9"),
        (TmuxClient("ghostty 1.2.3"), "osc777"),
        (TmuxClient("WezTerm 20240203-110809-5046fc22"), "osc777"),
        (TmuxClient("kitty(0.42.1)"), "osc99"),
        (TmuxClient("", "xterm-kitty"), "osc99"),
        (TmuxClient("XTerm(390)", "xterm-256color"), None),
        (TmuxClient("", "xterm-256color"), None),
    ],
)
def test_tmux_says_what_it_is_shown_on(client: TmuxClient, dialect: str | None) -> None:
    told = what_it_takes({"TERM": "tmux-256color", "TMUX": "/tmp/s,1,0"}, client=client)
    assert (told.dialect, told.through) == (dialect, "tmux")
    assert not told.progress, "it could not be cleared from a window that is not in view"


def test_what_tmux_says_goes_before_what_is_left_over() -> None:
    environ = {"TERM": "tmux-256color", "TMUX": "/tmp/s,1,0", "LC_TERMINAL": "iTerm2"}
    for client, dialect in (
        (TmuxClient("XTerm(390)", "xterm-256color"), None),
        (TmuxClient("", "xterm-kitty"), "osc99"),
        (TmuxClient("", "xterm-256color"), "osc9"),
    ):
        assert what_it_takes(environ, client=client).dialect == dialect


def test_a_person_may_know_better() -> None:
    environ = {"TERM": "xterm-256color"}
    assert what_it_takes(environ, "osc777").dialect == "osc777"
    assert what_it_takes(GHOSTTY, "off").dialect is None
    assert what_it_takes(environ, progress="on").progress
    assert not what_it_takes({**GHOSTTY, "TERM_PROGRAM_VERSION": "1.3"}, progress="off").progress
    assert what_it_takes({"TERM": "dumb"}, "osc777", "on") == Told()


@pytest.mark.parametrize(
    ("environ", "takes"),
    [
        ({**GHOSTTY, "TERM_PROGRAM_VERSION": "1.2.0"}, True),
        ({**GHOSTTY, "TERM_PROGRAM_VERSION": "1.10"}, True),
        ({**GHOSTTY, "TERM_PROGRAM_VERSION": "1.1.9"}, False),
        (GHOSTTY, False),
        ({**ITERM, "TERM_PROGRAM_VERSION": "3.6.6"}, True),
        ({**ITERM, "TERM_PROGRAM_VERSION": "3.6.5"}, False),  # makes a notification of it
        ({**ITERM, "TERM_PROGRAM_VERSION": "3.7.0beta1"}, True),
        ({**ITERM, "TERM_PROGRAM_VERSION": "x"}, False),
        ({"TERM": "xterm", "LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.6.7"}, True),
        ({"TERM": "xterm-256color", "WT_SESSION": "guid"}, True),
        ({"TERM": "xterm-256color", "WT_SESSION": "guid", "TERM_PROGRAM": "vscode"}, False),
        ({"TERM": "xterm-256color", "ConEmuANSI": "ON"}, True),
        ({"TERM": "xterm-256color", "ConEmuANSI": "OFF"}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({"TERM": "tmux-256color", "WT_SESSION": "guid"}, False),
        ({"TERM": "dumb", "WT_SESSION": "guid"}, False),
    ],
)
def test_who_shows_a_progress(environ: dict[str, str], takes: bool) -> None:
    assert what_it_takes(environ).progress is takes


def test_the_sequences() -> None:
    said = ("a run: finished", "3 steps; best 60.0%")
    assert notification(Told("osc9"), *said) == (
        "\x1b]9;glov a run: finished: 3 steps, best 60.0%\x07"
    )
    assert notification(Told("osc777"), *said) == (
        "\x1b]777;notify;glov a run: finished;3 steps, best 60.0%\x07"
    )
    assert notification(Told("osc99"), *said, "glov-1") == (
        "\x1b]99;i=glov-1:d=0;glov a run: finished\x07"
        "\x1b]99;i=glov-1:d=1:p=body;3 steps, best 60.0%\x07"
    )
    assert notification(Told("osc9", through="tmux"), "a", "b") == (
        "\x1bPtmux;\x1b\x1b]9;glov a: b\x07\x1b\\"
    )
    assert (
        notification(Told("osc9", through="screen"), "a", "b") == "\x1bP\x1b]9;glov a: b\x07\x1b\\"
    )
    assert notification(Told("osc9", through="tmux", layers=2), "a", "b") == (
        "\x1bPtmux;\x1b\x1bPtmux;" + 4 * "\x1b" + "]9;glov a: b\x07\x1b\x1b\\\x1b\\"
    )
    assert notification(Told(), "a", "b") == ""


@pytest.mark.parametrize("title", ["a", "漢" * 80])
@pytest.mark.parametrize("dialect", ["osc9", "osc777", "osc99"])
def test_gnu_screen_is_given_no_more_than_it_passes_on(dialect: Dialect, title: str) -> None:
    said = notification(Told(dialect, through="screen"), title, "é" * 240)
    assert "�" not in said
    for one in said.split("\x1b\\")[:-1]:
        assert len(one.encode()) < 256


@pytest.mark.parametrize(
    "client", [TmuxClient("tmux 3.3a", "tmux-256color"), TmuxClient("", "screen-256color")]
)
def test_a_tmux_in_a_tmux_is_gone_through_twice(client: TmuxClient) -> None:
    environ = {"TERM": "tmux-256color", "TMUX": "/tmp/s,1,0"}
    assert what_it_takes(environ, client=client).dialect is None
    told = what_it_takes({**environ, "LC_TERMINAL": "iTerm2"}, client=client)
    assert (told.dialect, told.through, told.layers) == ("osc9", "tmux", 2)
    assert what_it_takes(environ, "osc777", client=client).layers == 2
    assert what_it_takes(environ, client=TmuxClient("kitty(0.42.1)")).layers == 1


def test_the_progress_sequences() -> None:
    assert progress_sequence("normal", 41) == "\x1b]9;4;1;41\x07"
    assert progress_sequence("error", 141) == "\x1b]9;4;2;100\x07"
    assert progress_sequence("busy", 41) == "\x1b]9;4;3;0\x07"
    assert progress_sequence("held", 7) == "\x1b]9;4;4;7\x07"
    assert progress_sequence("clear", 41) == "\x1b]9;4;0;0\x07"


HOSTILE = st.text(
    st.sampled_from("\x00\x07\x1b\\;]9P\x9c\x9d\x18\u202e\r\n a4é漢") | st.characters(),
    max_size=400,
)
_WHOLE = {
    "osc9": re.compile(r"\x1b\]9;glov [^\x00-\x1f\x7f-\x9f]*\x07"),
    "osc777": re.compile(
        r"\x1b\]777;notify;glov [^;\x00-\x1f\x7f-\x9f]*;[^;\x00-\x1f\x7f-\x9f]*\x07"
    ),
    "osc99": re.compile(r"(?:\x1b\]99;[a-z0-9=:]*;[^;\x00-\x1f\x7f-\x9f]*\x07){2}"),
}


@given(HOSTILE, HOSTILE)
def test_no_text_ends_a_sequence_or_begins_another(title: str, body: str) -> None:
    for dialect, whole in _WHOLE.items():
        said = notification(Told(dialect), title, body)  # type: ignore[arg-type]
        assert whole.fullmatch(said)
        assert len(said) <= LONGEST_TITLE + LONGEST_BODY + 60
        wrapped = notification(Told(dialect, through="tmux"), title, body)  # type: ignore[arg-type]
        parts = wrapped.split("\x1bPtmux;")[1:]
        inner = "".join(part.removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b") for part in parts)
        assert inner == said and all(part.endswith("\x1b\\") for part in parts)

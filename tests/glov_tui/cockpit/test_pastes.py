"""Pastes are text: in their order, and nothing in them is a key or hides what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import Input, TextArea

from engine.run import events as ev
from glov_tui.cockpit.app import GlovApp
from glov_tui.terminal.pastes import BEGIN, END, PasteParser, pasted
from tests.support.sessions import HeldSession, loaded, one_step

HOSTILE = "one\x1b[A\x1b\x1btwo\x1b[200~q\x1b[20\x1bthree\x1b[B"
SEEN = "one�[A��two�[200~q�[20�three�[B"
BEST = "a <category> in blue light."


def _said(messages: list[Message]) -> list[str]:
    return [
        m.text if isinstance(m, Paste) else m.key for m in messages if isinstance(m, Key | Paste)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_what_looks_like_keys_in_a_paste_is_text_in_its_order(size: int) -> None:
    data = f"x{BEGIN}{HOSTILE}{END}y\x1b[C{BEGIN}again{END}"
    parser = PasteParser()
    messages: list[Message] = []
    for start in range(0, len(data), size):
        messages += parser.feed(data[start : start + size])
    assert _said(messages) == ["x", SEEN, "y", "right", "again"]


def test_the_escape_key_is_not_held_back() -> None:
    parser = PasteParser()
    assert not _said(list(parser.feed("\x1b")))  # the parser waits for what may follow
    assert _said(list(parser.feed("[A"))) == ["up"]


def test_what_cannot_be_seen_is_marked_and_lines_stay() -> None:
    assert pasted("a\u202eb\x07c\x9b1md\r\ne\rf\tg\u2066h\ufeff") == "a�b�c�1md\ne\nf g�h�"
    assert pasted("می\u200cخواهم 👩\u200d🔬") == "می\u200cخواهم 👩\u200d🔬"


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(["i"], id="inject"),
        pytest.param(["o"], id="options"),
        pytest.param(["slash"], id="filter"),
        pytest.param(["e"], id="editor"),
        pytest.param(["ctrl+p"], id="palette"),
    ],
)
async def test_a_paste_shows_what_it_is_in_every_field(tmp_path: Path, keys: list[str]) -> None:
    steps = one_step(1, {BEST: 7}, BEST)
    app = GlovApp(HeldSession(tmp_path, *loaded(), *steps, ev.RunPaused(step=1)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*keys)
        field = app.focused
        assert isinstance(field, Input | TextArea)
        if isinstance(field, Input):
            field.value = ""
        else:
            field.text = ""
        app.post_message(Paste("safe \u202egnp.exe\x1b[2J"))
        await pilot.pause()
        assert (field.value if isinstance(field, Input) else field.text) == "safe �gnp.exe�[2J"
        await pilot.press("escape")
        await pilot.pause()

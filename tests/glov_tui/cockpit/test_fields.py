"""While a field has the focus every printable key is text, whatever it does elsewhere."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from textual.events import Key
from textual.keys import _character_to_key
from textual.widgets import Input, TextArea

from engine.run import events as ev
from glov_tui.cockpit.app import GlovApp
from tests.support.sessions import HeldSession, loaded, one_step

BEST = "a <category> in blue light."
TYPED = string.digits + string.ascii_letters + " " + string.punctuation


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(["i"], id="inject"),
        pytest.param(["o"], id="options"),
        pytest.param(["slash"], id="filter"),
        pytest.param(["f"], id="fork"),
        pytest.param(["x", "tab"], id="export"),
        pytest.param(["e"], id="editor"),
        pytest.param(["t", "e"], id="lab-layers"),
        pytest.param(["t", "e", "tab"], id="lab-alpha"),
        pytest.param(["t", "2", "e"], id="lab-grid"),
        pytest.param(["ctrl+p"], id="palette"),
    ],
)
async def test_every_printable_key_is_text_in_a_field(tmp_path: Path, keys: list[str]) -> None:
    steps = one_step(1, {BEST: 7, "a <category> at night.": 3}, BEST)
    session = HeldSession(tmp_path, *loaded(), *steps, ev.RunPaused(step=1))
    app = GlovApp(session)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*keys)
        screen, field = app.screen, app.focused
        assert isinstance(field, Input | TextArea)
        if isinstance(field, Input):
            field.value = ""
        else:
            field.text = ""
        for character in TYPED:  # as a terminal sends them, which waits for nothing to be drawn
            app.post_message(Key(_character_to_key(character), character))
        await pilot.press("end")  # comes behind them
        assert (field.value if isinstance(field, Input) else field.text) == TYPED
        assert app.screen is screen and app.focused is field
        await pilot.press("escape")  # Textual's palette fails where it closes with the app
        await pilot.pause()
    assert session.sent == []

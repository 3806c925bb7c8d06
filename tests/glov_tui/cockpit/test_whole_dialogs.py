"""Dialogs say all that they have to say, whatever the size of the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.screens.help import HelpScreen
from glov_tui.cockpit.screens.options import KEYS, _about
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.text_view import TextView
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle


def words_on(app: GlovApp) -> str:
    """The words on the screen without its lines, one space between two."""
    rows = ("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
    return " ".join(word for row in rows for word in row.split() if word.strip("│─╭╮╰╯"))


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20)], ids=str)
async def test_all_about_the_option_in_focus_is_seen(tmp_path: Path, size: tuple[int, int]) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), size) as (pilot, app):
        await pilot.press("o")
        for key in KEYS:
            await settle(pilot)
            about = _about(key) if key != "steering.mode" else "last-token: "
            words = words_on(app)
            assert " ".join(about.split()) in words, words
            await pilot.press("down")


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20)], ids=str)
async def test_each_error_is_seen_whole(tmp_path: Path, size: tuple[int, int]) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), size) as (pilot, app):
        await pilot.press("o")
        app.screen.query_one("#proposal-candidates", Input).value = "0"
        app.screen.query_one("#steering-alpha", Input).value = "a lot of it"
        await pilot.press("ctrl+s")
        await settle(pilot)
        words = words_on(app)
        assert "proposal.candidates = 0: should be at least 1" in words
        assert "steering.alpha = a lot of it: " in words or "'a lot of it'" in words, words


async def test_the_keys_of_a_template_of_one_s_own_are_seen_whole(tmp_path: Path) -> None:
    for size in ((200, 50), (80, 24), (60, 20)):
        async with cockpit(HeldSession(tmp_path, *loaded()), size) as (pilot, app):
            await pilot.press("i")
            await settle(pilot)
            words = words_on(app)
            keys = "enter Score", "^j New line", "f3 File", "esc Cancel"
            assert all(key in words for key in keys), words


@pytest.mark.parametrize(
    ("opens", "helps", "shown"),
    [("w", "question_mark", "?"), ("enter", "question_mark", "?"), ("e", "f1", "f1")],
)
async def test_the_key_of_help_that_a_dialog_names_is_one(
    tmp_path: Path, opens: str, helps: str, shown: str
) -> None:
    """The keys that have no room in the last line are there; esc leads back."""
    events = one_step(1, {"a <category> of one.": 6})
    async with cockpit(HeldSession(tmp_path, *loaded(), *events), (30, 20)) as (pilot, app):
        await pilot.press(opens)
        await settle(pilot)
        dialog = app.screen
        assert f" ({shown})" in str(dialog.query_one(KeyBar).content)
        await pilot.press(helps)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert app.screen is dialog


@pytest.mark.parametrize("width", [200, 100, 72, 60])
async def test_every_field_of_the_lab_is_in_view(tmp_path: Path, width: int) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), (width, 24)) as (pilot, app):
        await pilot.press("t")
        await settle(pilot)
        for row in app.screen.query("SettingRow.-shown"):
            for field in row.query("Choice, ValueField"):
                assert field.region.right <= width - 1 and field.region.width >= 5
        assert "<no-bos>" in words_on(app)


async def test_the_editor_says_all_of_when_an_edit_holds_in_the_smallest_terminal(
    tmp_path: Path,
) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), (60, 20)) as (pilot, app):
        await pilot.press("e")
        await settle(pilot)
        assert "Undo: ctrl+z here, u after saving." in words_on(app)


async def test_how_many_rows_are_out_of_view_is_said(tmp_path: Path) -> None:
    """Of a text that is longer than its dialog: nothing else shows that there is more."""
    async with cockpit(HeldSession(tmp_path, *loaded()), (80, 24)) as (pilot, app):
        for key in ("question_mark", "C"):
            await pilot.press(key)
            await settle(pilot)
            view = app.screen.query_one(TextView)
            assert f"{view.max_scroll_y} more rows" in words_on(app)
            await pilot.press("down")
            if key == "question_mark":
                assert f"{view.max_scroll_y - 1} more rows" in words_on(app)
            await pilot.press("end")
            assert "more row" not in words_on(app)
            await pilot.press("escape")


@pytest.mark.parametrize("key", ["x", "f"])
async def test_a_dialog_says_the_key_that_does_it(tmp_path: Path, key: str) -> None:
    run = HeldSession(tmp_path, *loaded(), *one_step(1, {"a <category>, lit.": 7}))
    async with cockpit(run, (60, 20)) as (pilot, app):
        await pilot.press(key)
        for _ in range(2):  # whichever field has the focus
            await settle(pilot)
            assert "enter Write esc Cancel" in words_on(app)
            await pilot.press("tab")

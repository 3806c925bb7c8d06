"""The lab book on the screen: written on what is selected, shown there, on ended runs too."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import TextArea

from engine.prompts.template import normalise
from engine.remote.client import RemoteSession
from engine.run import events as ev
from engine.run.commands import WriteNote
from engine.session.replay import ReplaySession
from engine.storage.journal import read_state
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.screens.lab_book import LabBookScreen
from glov_tui.cockpit.screens.note import NoteScreen
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle
from tests.support.written_runs import write_run

DIM = "a dim <category>."


@pytest.fixture(autouse=True)
def _author(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOV_AUTHOR", "ada")


def session(folder: Path) -> HeldSession:
    return HeldSession(folder, *loaded(), *one_step(1, {DIM: 6}, DIM))


def note(number: int, text: str, template: str | None = None, step: int | None = None) -> ev.Noted:
    key = normalise(template) if template is not None else None
    return ev.Noted(number=number, text=text, template=key, step=step, author="ada")


async def test_a_note_is_on_the_selected_template_or_what_is_chosen(tmp_path: Path) -> None:
    held = session(tmp_path)
    async with cockpit(held) as (pilot, app):
        await pilot.press("a")
        assert isinstance(app.screen, NoteScreen)
        await pilot.press(*"dim", "space", *"helps", "enter", *"much", "ctrl+s")
        await pilot.pause()
        assert held.sent == [
            WriteNote(text="dim helps\nmuch", template=normalise(DIM), author="ada")
        ]
        await pilot.press("a", "shift+tab", "right", "tab", *"slow", "ctrl+s")
        await pilot.pause()
        assert held.sent[1:] == [WriteNote(text="slow", step=1, author="ada")]


async def test_what_was_typed_is_not_lost_by_escape(tmp_path: Path) -> None:
    held = session(tmp_path)
    async with cockpit(held) as (pilot, app):
        await pilot.press("a", *"dim", "escape")
        await pilot.pause()
        await pilot.press("n")
        await pilot.pause()
        assert app.screen.query_one(TextArea).text == "dim"
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause()
        assert len(app.screen_stack) == 1 and not held.sent


async def test_a_note_shows_in_list_chart_log_and_details(tmp_path: Path) -> None:
    held = session(tmp_path)
    async with cockpit(held, size=(160, 50)) as (pilot, app):
        table = app.screen.query_one(RowTable)
        assert "✎" not in table.line(0)
        held.apply(note(1, "dim helps", DIM), note(2, "slow", step=1))
        await settle(pilot)
        assert "✎" in table.line(0) and "✎" not in table.line(1)
        assert "n note" in str(app.screen.query_one("#accuracy").border_subtitle)
        assert any("note 1 on a dim" in line.text for line in held.state.log)
        await pilot.press("enter")
        await pilot.pause()
        view = app.screen.query_one(TextView)
        await until(lambda: "dim helps" in str(view._lines), "the note in the details")


async def test_the_list_shows_changes_and_takes_away(tmp_path: Path) -> None:
    held = session(tmp_path)
    held.apply(note(1, "dim helps", DIM), note(2, "slow\nand long", step=1))
    async with cockpit(held, size=(80, 24)) as (pilot, app):
        await pilot.press("a", "f2")
        await until(lambda: isinstance(app.screen, LabBookScreen), "the list")
        table = app.screen.query_one(RowTable)
        await until(lambda: len(table.keys) == 2, "the notes")
        assert "slow" in table.line(0) and "dim helps" in table.line(1)
        assert "and long" in str(app.screen.query_one(TextView)._lines)
        await pilot.press("e", *"er", "ctrl+s")
        await pilot.pause()
        assert held.sent[-1] == WriteNote(text="slow\nand longer", number=2, step=1, author="ada")
        held.apply(ev.Noted(number=2, text="slow\nand longer", step=1, author="bob"))
        await until(lambda: "changed" in str(app.screen.query_one(TextView)._lines), "the change")
        assert "by bob" in str(app.screen.query_one(TextView)._lines)
        await pilot.press("down", "d")
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause()
        assert held.sent[-1] == WriteNote(text="", number=1, author="ada")
        held.apply(ev.Noted(number=1, text="", author="ada"))
        await until(lambda: len(table.keys) == 1, "one note")


async def test_a_note_that_was_taken_away_while_it_was_changed_is_a_new_one(tmp_path: Path) -> None:
    held = session(tmp_path)
    held.apply(note(1, "dim helps", DIM))
    async with cockpit(held, size=(80, 24)) as (pilot, app):
        await pilot.press("a", "f2")
        await until(lambda: isinstance(app.screen, LabBookScreen), "the list")
        table = app.screen.query_one(RowTable)
        await until(lambda: len(table.keys) == 1, "the note")
        await pilot.press("e", *" much")
        held.apply(ev.Noted(number=1, text="", author="bob"))
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert held.sent == [
            WriteNote(text="dim helps much", template=normalise(DIM), author="ada")
        ]


async def test_a_long_template_does_not_hide_the_note_on_it(tmp_path: Path) -> None:
    long = f"a <category>, {'very ' * 50}dim."
    held = HeldSession(tmp_path, *loaded(), *one_step(1, {long: 6}, long), note(1, "why", long))
    async with cockpit(held, size=(60, 20)) as (pilot, app):
        await pilot.press("a", "f2")
        await until(lambda: isinstance(app.screen, LabBookScreen), "the list")
        view = app.screen.query_one(TextView)
        await until(lambda: "very" in view.plain, "the note")
        assert view.row_of(1) < view.scrollable_content_region.height
        assert view.plain.splitlines()[1] == "why"


async def test_an_empty_list_says_how_to_begin(tmp_path: Path) -> None:
    async with cockpit(session(tmp_path)) as (pilot, app):
        await pilot.press("a", "f2")
        await until(lambda: isinstance(app.screen, LabBookScreen), "the list")
        view = app.screen.query_one(TextView)
        await until(lambda: "No note yet" in str(view._lines), "what will be there")
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(app.screen, NoteScreen)


async def test_a_note_on_a_replay_is_in_the_journal_and_on_the_screen(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", curve=(40, 60, 50))
    replay = ReplaySession.open(folder)
    app = GlovApp(replay)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: replay.at_end, "that it has played to the end")
        replay.go_to(1)
        await settle(pilot)
        await pilot.press("a", "shift+tab", "right", "tab", *"here", "ctrl+s")
        await until(lambda: replay.state.notes, "the note")
        assert replay.step == 1
        assert [(n.text, n.step) for n in read_state(folder).notes] == [("here", 1)]


async def test_a_note_on_a_run_that_has_ended(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", curve=(40, 60, 50))
    app = GlovApp(RemoteSession.without_engine(folder, "a test"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("a", *"best", "ctrl+s")
        await until(lambda: app.session.state.notes, "the note")
    (written,) = read_state(folder).notes
    assert (written.text, written.template) == ("best", normalise("template 2 of <category>"))


async def test_a_note_that_can_not_be_written_stays_in_its_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "run", curve=(40, 60, 50))
    app = GlovApp(RemoteSession.without_engine(folder, "a test"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("a", *"best")
        (folder / "events.jsonl").rename(folder / "gone")
        (folder / "events.jsonl").mkdir()
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.screen.query_one(TextArea).text == "best"
        assert app._notifications

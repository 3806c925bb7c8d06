"""``/`` in each pane: what is found, and that no key drives the run while a search is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from engine.run import events as ev
from engine.run.commands import StepOnce
from glov_tui.cockpit.panes.beside import BesideView
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.widgets.find_line import FindLine
from glov_tui.widgets.row_table import RowTable
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, edits, loaded, one_step, settle

TEMPLATES = {f"a <category> in blue light, number {i}.": 5 + i % 3 for i in range(9)}
SIZES = [(200, 50), (120, 40), (80, 24), (60, 20)]


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """A run with many templates and a log to look through."""
    warned = [ev.Warned(message=f"something odd, number {i}") for i in range(40)]
    return HeldSession(tmp_path, *loaded(), *one_step(1, TEMPLATES), *warned)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("number", "pane", "typed", "hits"),
    [
        ("6", LogPane, "odd, number 3", 11),
        ("4", CandidatesPane, "blue", 9),
        ("1", MetaPromptPane, "best", 1),
    ],
)
async def test_a_search_in_each_text(session, size, number, pane, typed, hits) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press(number, "slash", *typed)
        view, line = app.query_one(pane), app.query_one(FindLine)
        assert line.is_typing and line.region.height == 1 and line.region.bottom <= size[1]
        assert len(view.hits) == hits and f"/{hits}" in view.border_title
        await pilot.press("enter")
        assert line.is_open and not line.is_typing and view.has_focus
        keys = str(app.query_one("KeyBar").render())
        assert "Next place" in keys and "One step" not in keys
        before = view._hit
        await pilot.press("n")
        assert view._hit == (before + 1) % hits
        await pilot.press("N")
        assert view._hit == before
        await pilot.press("escape")
        assert not line.is_open and not view.hits and line.region.height == 0


async def test_no_key_drives_the_run_while_a_search_is_open(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("6", "slash", *"odd", "enter")
        driving = "n N P H p b e i o u m t minus plus left_square_bracket right_square_bracket c"
        await pilot.press(*driving.split(), "space")
        assert session.sent == [] and len(app.screen_stack) == 1
        assert app.query_one(FindLine).is_open
        await app.run_action("step_once")  # as the command palette would
        await pilot.press("escape", "n")
        assert session.sent[-1] == StepOnce()
        assert len(session.sent) <= 2


async def test_escape_while_typing_brings_the_place_back_and_later_stays(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("z", "6")
        log = app.query_one(LogPane)
        end = log.scroll_offset.y
        await pilot.press("slash", *"seed")
        assert log.scroll_offset.y < end
        await pilot.press("escape")
        assert log.scroll_offset.y == end and log.has_focus
        await pilot.press("slash", *"seed", "enter")
        at = log.scroll_offset.y
        await pilot.press("escape")
        assert log.scroll_offset.y == at < end


async def test_a_search_ends_where_the_person_goes_elsewhere(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("6", "slash", *"odd", "enter", "2")
        assert not app.query_one(FindLine).is_open
        await pilot.press("n")
        assert session.sent == [StepOnce()]


async def test_what_comes_meanwhile_moves_nothing(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("6", "slash", *"number 1", "enter")
        log = app.query_one(LogPane)
        at, count = log.scroll_offset.y, len(log.hits)
        session.apply(*(ev.Warned(message=f"news, number 1{i}") for i in range(20)))
        await settle(pilot)
        assert log.scroll_offset.y == at and len(log.hits) == count + 20
        assert f"/{count + 20}" in log.border_title


@pytest.mark.parametrize("typed", ["(", "[", "*", "\\", "(a+)+$", "[/b]", "$error"])
async def test_no_text_is_a_wrong_pattern(session, typed) -> None:
    session.apply(ev.Warned(message=f"hostile {typed} here"))
    async with cockpit(session) as (pilot, app):
        await pilot.press("6", "slash", *typed)
        assert len(app.query_one(LogPane).hits) == 1
        await pilot.press("escape", "2", "slash", *typed, "enter", "n")
        assert app.query_one(ExamplesPane).is_filtered


async def test_templates_are_filtered_and_n_goes_from_row_to_row(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("slash", *"number", "enter")
        table, pane = app.query_one(RowTable), app.query_one(ExamplesPane)
        assert len(table.keys) == 9 and "1/9 of 10" in pane.border_title
        found = [text for text, style in table._build(0) if style == "found"]
        assert found == ["number"]
        await pilot.press("n")
        assert table.cursor == 1 and "2/9 of 10" in pane.border_title
        await pilot.press("N", "N")
        assert table.cursor == 8
        assert session.sent == []
        await pilot.press("p")  # the one that was found
        assert [edit.kind for edit in edits(session)] == ["pin-template"]
        await pilot.press("escape", "n")
        assert session.sent[-1] == StepOnce()


async def test_capitals_ask_for_themselves_in_the_filter_too(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("slash")
        app.query_one(ExamplesPane).query_one(Input).value = "Blue"
        await pilot.pause()
        assert not app.query_one(RowTable).keys
        app.query_one(ExamplesPane).query_one(Input).value = "blue"
        await pilot.pause()
        assert len(app.query_one(RowTable).keys) == 9


async def test_a_search_whose_text_has_no_room_any_more_does_not_let_n_drive(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("D")
        view, line = app.query_one(BesideView), app.query_one(FindLine)
        await until(lambda: bool(view.plain), "the details")
        view.focus()
        await pilot.press("slash", *"a", "enter", "n")
        assert view.hits and line.is_open
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert not view.display and line.is_open
        assert "no room" in str(app.query_one("#find-keys").render())
        await pilot.press("n", "N", "n")
        assert session.sent == []
        await pilot.resize_terminal(200, 50)
        await pilot.pause()
        assert view.has_focus and "next" in str(app.query_one("#find-keys").render())
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        await pilot.press("n", "escape", "n")
        assert not line.is_open and session.sent == [StepOnce()]


async def test_going_to_a_pane_ends_a_search_whose_text_has_no_room(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("D")
        view, line = app.query_one(BesideView), app.query_one(FindLine)
        await until(lambda: bool(view.plain), "the details")
        view.focus()
        await pilot.press("slash", *"a", "enter")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await pilot.press("6")
        assert not line.is_open


async def test_going_round_is_said_and_enter_alone_looks_for_the_last_text(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("6", "slash", *"odd, number 3", "enter")
        log = app.query_one(LogPane)
        await pilot.press(*["n"] * (len(log.hits) - log._hit))
        assert "from the top" in log.border_title
        await pilot.press("n")
        assert "from the top" not in log.border_title
        await pilot.press("N", "N")
        assert log._hit == len(log.hits) - 1 and "from the end" in log.border_title
        await pilot.press("escape", "slash", "enter")
        assert log.is_searched and len(log.hits) == 11
        await pilot.press("n")
        assert session.sent == []


async def test_what_is_folded_is_found_too(tmp_path) -> None:
    begin = "a photo of a <category>, turned upside down,"
    steps = [one_step(n, {f"{begin} number {n}{i}.": 5 for i in range(6)}) for n in (1, 2)]
    held = HeldSession(tmp_path, *loaded(), *steps[0], *steps[1])
    async with cockpit(held, (80, 24)) as (pilot, app):
        await pilot.press("4")
        pane = app.query_one(CandidatesPane)
        await until(lambda: "…20." in pane.plain, "the replies, folded")
        await pilot.press("slash", *"upside", "enter")
        assert len(pane.hits) == 6
        await pilot.press("escape")
        assert "upside" not in pane.plain and "…20." in pane.plain


async def test_a_search_is_whole_while_nothing_has_room_and_after(session) -> None:
    async with cockpit(session, (100, 30)) as (pilot, app):
        await pilot.press("6", "slash", *"odd, number 1", "enter", "n")
        log = app.query_one(LogPane)
        hit = log._hit
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        await pilot.press("n", "n", "N")
        assert session.sent == []
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert log._hit == (hit + 1) % len(log.hits)
        assert log.hits[log._hit].line in lines_in_view(log)
        await pilot.press("enter")  # each line whole: more rows stand above it
        assert log.hits[log._hit].line in lines_in_view(log)


def lines_in_view(view) -> list[int]:
    top, height = view.scroll_offset.y, view.scrollable_content_region.height
    return [i for i in range(len(view._lines)) if top <= view.row_of(i) < top + height]

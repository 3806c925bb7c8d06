"""Details beside the panes: where they have room, what they follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.prompts.template import normalise
from engine.run import events as ev
from glov_tui.cockpit.panes.beside import BesideView
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.registry import PANES
from tests.support.patience import until
from tests.support.sessions import (
    BEST,
    HeldSession,
    cockpit,
    edits,
    loaded,
    one_step,
    scored,
    settle,
)

OTHER = "a <category> at night."


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """A run with templates."""
    return HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7, OTHER: 3}, BEST))


@pytest.mark.parametrize("size", [(200, 50), (160, 40)])
async def test_they_follow_the_cursor_and_hide_no_pane(session, size) -> None:
    async with cockpit(session, size) as (pilot, app):
        in_view = [name for name in PANES if app.query_one(f"#{name}").display]
        await pilot.press("D")
        await pilot.pause()
        view = app.query_one(BesideView)
        await until(lambda: BEST in view.plain, "the best template's details")
        await until(lambda: "what its phrases" in view.plain.lower() or "phrase" in view.plain, "")
        assert not view.has_focus and view.region.right == size[0] and view.size.width >= 56
        panes = [app.query_one(f"#{name}") for name in PANES if app.query_one(f"#{name}").display]
        assert all(pane.region.right <= view.region.x for pane in panes)
        assert len(panes) == len(in_view) or size[0] < 200
        await pilot.press("down", "down")
        await until(lambda: OTHER in view.plain, "the other template's details")
        session.apply(scored("a third <category>.", 9, 1))
        await settle(pilot)
        await until(lambda: "rank 4 of 4" in view.plain, "its new rank")
        await pilot.press("D")
        assert not view.display
        assert [name for name in PANES if app.query_one(f"#{name}").display] == in_view


async def test_beside_one_pane_where_not_all_have_room(session) -> None:
    async with cockpit(session, (120, 40)) as (pilot, app):
        await pilot.press("D")
        assert not app.query(BesideView) and "150 columns" in str(app.query_one("KeyBar").render())
        await pilot.press("z", "D")
        view = app.query_one(BesideView)
        await until(lambda: BEST in view.plain, "the details")
        assert view.size.width >= 50 and app.query_one(ExamplesPane).size.width >= 50
        await pilot.press("z")
        assert not view.display
        await pilot.press("z")
        assert view.display


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_where_there_is_no_room_it_says_so(session, size) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("D")
        assert not app.query(BesideView)
        assert "Enter opens them here" in " ".join(str(app.query_one("KeyBar").render()).split())


async def test_a_smaller_terminal_puts_them_away_and_the_focus_stays_somewhere(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("D")
        view = app.query_one(BesideView)
        view.focus()
        await pilot.press("slash", *"blue")
        assert len(view.hits) >= 1
        await pilot.press("enter", "escape")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not view.display and app.focused is not None
        await pilot.resize_terminal(200, 50)
        await pilot.pause()
        assert view.display


async def test_before_there_is_a_template_it_says_what_will_be_there(tmp_path) -> None:
    session = HeldSession(tmp_path, *loaded()[:2])
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("D")
        await pilot.pause()
        view = app.query_one(BesideView)
        await until(lambda: "stands here" in view.plain, "what will be there")
        session.apply(*loaded()[2:], ev.RunPaused(step=0))
        await until(lambda: "the seed template of the run" in view.plain, "the seed")


async def test_what_it_shows_stays_while_it_has_the_focus_and_keys_act_on_that(session) -> None:
    third = "a wet <category>."
    session.apply(*one_step(2, {OTHER: 3, third: 4}))
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("D", "4", "end")
        view = app.query_one(BesideView)
        await until(lambda: third in view.plain, "the reply's template")
        view.focus()
        await pilot.pause()
        view.look()
        assert third in view.plain and BEST not in view.plain.splitlines()[0]
        await pilot.press("slash", *"few")
        view.look()
        assert third in view.plain and view.hits
        await pilot.press("enter", "escape", "p")
        assert [edit.key for edit in edits(session)] == [normalise(third)]
        await pilot.press("4", "home", "2")
        await until(lambda: BEST in view.plain, "the list's template")

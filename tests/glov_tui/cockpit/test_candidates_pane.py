"""A reply in the candidates pane can be opened, copied, pinned and banned where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import BanTemplate, PinTemplate
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.sessions import BEST, HeldSession, cockpit, edits, loaded, one_step, settle

NEW = "a <category> at night."


def reply(candidate: int, outcome: ev.Outcome, template: str | None) -> ev.CandidateProposed:
    return ev.CandidateProposed(
        step=2,
        attempt=1,
        candidate=candidate,
        reply=template or "I will not.",
        tokens=9,
        finish="stop",
        outcome=outcome,
        template=template,
        reason=None if template else "question-or-refusal",
    )


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """Step 2: a new template that is not scored yet, a repeat, a rejected reply, one unread."""
    return HeldSession(
        tmp_path,
        *loaded(),
        *one_step(1, {BEST: 7}, BEST),
        *one_step(2, {NEW: 3})[:2],
        ev.TokensStreamed(step=2, attempt=1, texts=("a", "b", "c", "d")),
        reply(0, "new", NEW),
        reply(1, "duplicate", BEST),
        reply(2, "rejected", None),
    )


def said(app) -> str:
    return list(app._notifications)[-1].message


async def opened(pilot, app) -> str:
    """The text of the details that are opened; they are closed again."""
    await until(lambda: isinstance(app.screen, DetailsScreen) and app.screen.query(TextView))
    await pilot.pause()
    text = app.screen.query_one(TextView).plain
    await pilot.press("escape")
    return text


async def test_enter_opens_a_reply_that_was_scored_or_repeats_one(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("4", "down", "enter")
        assert (await opened(pilot, app)).startswith(BEST)
        session.apply(*one_step(2, {NEW: 3})[3:4])
        await settle(pilot)
        await pilot.press("up", "enter")
        assert (await opened(pilot, app)).startswith(NEW)


async def test_so_does_the_mouse(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        y = next(y for y, row in enumerate(pane._wrapped) if BEST in "".join(t for t, _ in row))
        for _ in range(2):
            await pilot.click(pane, offset=(8, y + 1))  # below the border
        assert (await opened(pilot, app)).startswith(BEST)


async def test_a_reply_without_a_score_says_why_it_is_not_opened(session) -> None:
    async with cockpit(session) as (pilot, app):
        for keys, why in (
            (("4", "enter"), "Reply 1 is not scored yet."),
            (("down", "down", "enter"), "Reply 3 was rejected: there is no score to show."),
            (("down", "enter"), "Reply 4 is still being written."),
        ):
            await pilot.press(*keys)
            assert said(app) == why
        assert not isinstance(app.screen, DetailsScreen)


async def test_keys_for_a_template_are_for_the_reply_under_the_cursor(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("4", "down", "p", "b")
        key = normalise(BEST)
        assert edits(session) == [
            PinTemplate(key=key, pinned=True),
            BanTemplate(key=key, banned=True),
        ]
        await pilot.press("y")
        assert app.clipboard == BEST
        await pilot.press("up", "p")  # not scored yet: nothing else is pinned in its place
        assert len(edits(session)) == 2 and said(app) == "No template that was scored is selected."


async def test_the_pane_says_how_to_open_one(session) -> None:
    async with cockpit(session) as (_, app):
        assert "enter open" in str(app.query_one(CandidatesPane).border_subtitle)


async def test_a_reply_that_the_end_of_the_run_cut_off_is_not_waited_for(session) -> None:
    session.apply(ev.Progress(phase="proposing", detail="server error 500", total=50))
    session.apply(ev.RunFailed(message="the server has failed"))
    async with cockpit(session) as (pilot, app):
        await pilot.press("4", "down", "down", "down", "enter")
        assert said(app) == "Reply 4 was cut off."
        assert "server error" not in str(app.query_one(CandidatesPane).border_subtitle)

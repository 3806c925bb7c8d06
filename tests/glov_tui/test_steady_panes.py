"""What is written on the screen stays where it is: replies while they grow, the meta-prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import events as ev
from glov_tui.panes.candidates import CandidatesPane
from glov_tui.panes.meta_prompt import MetaPromptPane
from tests.glov_tui.sessions import HeldSession, loaded, one_step
from tests.glov_tui.test_app import BEST, cockpit, settle

LONG = "a <category> " + "seen in a very long sentence " * 4
SYSTEM = "\n".join(f"System line {n}." for n in range(40))


def _started(step: int) -> list[ev.Event]:
    ask = f"Improve on these.\n\nBest:\n1. {BEST} -> 70\nOne template, please."
    messages = ({"role": "system", "content": SYSTEM}, {"role": "user", "content": ask})
    composed = ev.MetaPromptComposed(
        step=step, attempt=1, messages=messages, best=(BEST.rstrip("."),), worst=()
    )
    return [ev.StepStarted(step=step), composed]


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    return HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7}, BEST), *_started(2))


def _place(pane: CandidatesPane, text: str) -> tuple[int, int]:
    rows = ["".join(part for part, _ in row) for row in pane._wrapped]
    y = next(y for y, row in enumerate(rows) if text in row)
    return y, rows[y].index(text)


async def test_a_reply_stays_where_it_was_written(session: HeldSession) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        session.apply(ev.TokensStreamed(step=2, attempt=1, texts=(LONG, "a small <category>")))
        await settle(pilot)
        place = _place(pane, "a small")
        assert place[0] >= 3  # behind all rows of the first
        session.apply(*one_step(2, {LONG: 3, "a small <category>": 8})[2:])
        await settle(pilot)
        assert _place(pane, "a small") == place
        session.apply(*_started(3))
        session.apply(ev.TokensStreamed(step=3, attempt=1, texts=("a", "a small")))
        await settle(pilot)
        assert _place(pane, "a small") == place


async def test_where_rows_do_not_fit_none_is_lost(session: HeldSession) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        await pilot.press("4")
        pane = app.query_one(CandidatesPane)
        session.apply(ev.TokensStreamed(step=2, attempt=1, texts=(LONG, *["a"] * 8)))
        await settle(pilot)
        assert len([line for line in pane._lines if line]) == 9
        assert len(pane._wrapped) - len(pane._lines) >= 3  # no empty rows beside the long one
        assert all(pane._lines)


async def test_accuracy_over_the_best_before_is_marked(session: HeldSession) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        session.apply(*one_step(2, {"x <category>": 9, "y <category>": 6, "z <category>": 2})[2:])
        await settle(pilot)
        assert [line[2][1] for line in pane._lines if line] == ["good", "strong", ""]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_meta_prompt_opens_at_the_templates(
    session: HeldSession, size: tuple[int, int]
) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("1")
        pane = app.query_one(MetaPromptPane)
        await settle(pilot)

        def rows() -> list[str]:
            wrapped = ["".join(part for part, _ in row) for row in pane._wrapped]
            top = pane.scroll_offset.y
            return wrapped[top : top + pane.scrollable_content_region.height]

        assert any(BEST in row for row in rows()) and any("Best:" in row for row in rows())
        await pilot.press("home")
        session.apply(*one_step(2, {"x <category>": 5})[2:], *_started(3))
        await settle(pilot)
        assert "system" in rows()[0]  # where the reader went

"""What the cockpit says of a run whose search is not GLOV."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.toml_file import load_config
from engine.search.begun import as_begun
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.panes.steering import SteeringPane
from glov_tui.cockpit.panes.steering_lines import Marks, steering_lines
from glov_tui.widgets.hbars import HBars
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step


@pytest.mark.parametrize("kind", ["random", "llm-opt"])
async def test_another_search_is_named_and_its_steering_is_off(tmp_path: Path, kind: str) -> None:
    config = load_config("demo", [f"search.kind={kind}"])
    session = HeldSession(tmp_path, *loaded(config), *one_step(1, {BEST: 7}, BEST))
    async with cockpit(session, (200, 50)) as (_pilot, app):
        line = app.query_one(StatusLine).line(session.state)
        assert f"search {kind}" in line and "step 1/20" in line
        title = app.query_one(MetaPromptPane).border_title
        assert str(title).endswith(f"step 1, {kind} search")
        bars = app.query_one(SteeringPane).query_one(HBars)
        assert bars._bars and not any(bar.marked for bar in bars._bars)
    above, below = steering_lines(session.state, 80, 20, Marks())
    assert (above, below) == ([f"off: {kind} search never steers"], [])


async def test_glov_goes_without_saying(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7}, BEST))
    async with cockpit(session, (200, 50)) as (_pilot, app):
        assert "search" not in app.query_one(StatusLine).line(session.state)
        assert "search" not in str(app.query_one(MetaPromptPane).border_title)
    above, _ = steering_lines(session.state, 80, 20, Marks())
    assert above[0].startswith("last-token")


@pytest.mark.parametrize("kind", ["s-temp", "ds-temp"])
async def test_a_baseline_says_that_no_llm_is_asked(tmp_path: Path, kind: str) -> None:
    config = as_begun(load_config("demo", [f"search.kind={kind}"]))
    session = HeldSession(tmp_path, *loaded(config))
    async with cockpit(session, (200, 50)) as (_pilot, app):
        assert f"search {kind}" in app.query_one(StatusLine).line(session.state)
        for pane in (MetaPromptPane, CandidatesPane):
            assert "asks no LLM" in app.query_one(pane).plain

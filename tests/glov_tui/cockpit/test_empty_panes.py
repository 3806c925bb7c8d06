"""What each pane says while there is nothing to show: what will be there, or why nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.toml_file import load_config
from engine.run import events as ev
from glov_tui.cockpit.panes.registry import PANES
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle

NOTHING: list[ev.Event] = []
LOADING = loaded()[:1]
MODELS = loaded()[:2]
OFF = loaded(load_config("demo", ["steering.mode=off"]))
ENDED = [*loaded()[:2], ev.RunStopped(step=0)]


def said(app, name: str) -> str:
    """What is on the screen where a pane is."""
    region = app.query_one(f"#{name}").region
    rows = app.screen._compositor.render_strips()[region.y : region.bottom]
    text = "\n".join(row.crop(region.x, region.right).text for row in rows[1:-1])
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24), (60, 20)])
@pytest.mark.parametrize(
    ("events", "words"),
    [
        (
            NOTHING,
            {
                "meta-prompt": "once the seed template is scored",
                "examples": "Templates are ranked here once they are scored.",
                "steering": "shown here once the run has begun",
                "candidates": "appear here as they are written",
                "accuracy": "It begins with the seed's accuracy",
                "log": "What happens in the run is said here",
            },
        ),
        (
            LOADING,
            {
                "examples": "Templates are ranked here once they are scored.",
                "steering": "last-token",
            },
        ),
        (MODELS, {"steering": "Not steering yet", "accuracy": "It begins with"}),
        (OFF, {"steering": "off", "candidates": "appear here"}),
        (
            ENDED,
            {
                "candidates": "the run ended before its first step",
                "meta-prompt": "the run ended before its first step",
            },
        ),
    ],
    ids=["nothing", "loading", "models", "off", "ended"],
)
async def test_an_empty_pane_says_what_will_be_there(tmp_path: Path, size, events, words) -> None:
    session = HeldSession(tmp_path, *events)
    async with cockpit(session, size) as (pilot, app):
        for name, text in words.items():
            app.action_show_pane(name)
            await pilot.pause()
            shown = said(app, name)
            assert text in shown, (name, shown)
        if events == NOTHING:  # no key that does nothing is named
            assert not any(app.query_one(f"#{name}").border_subtitle for name in PANES)
        for name in PANES:
            app.action_show_pane(name)
            await pilot.pause()
            assert len(said(app, name)) > 2, name


async def test_a_filter_that_finds_nothing_says_so(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded(), *one_step(1, {"a <category>.": 5}))
    async with cockpit(session) as (pilot, app):
        await pilot.press("slash", *"zzz")
        await settle(pilot)
        assert "No template has these words" in said(app, "examples")

"""What lay under another screen shows the present when it comes to the top again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.prompts.template import normalise
from engine.run import events as ev
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.screens.steering_over_time import SteeringScreen
from glov_tui.cockpit.screens.step_replies import StepRepliesScreen
from glov_tui.cockpit.steering_map import SteeringMap
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, one_step, settle
from tests.support.steered_runs import long_run, steered_step

ENDS = (ev.RunPaused(step=9), ev.RunFinished(step=9))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("key", ["S", "M", "C", "t"])
async def test_a_run_that_came_to_rest_meanwhile_is_shown_so(tmp_path: Path, key, end) -> None:
    session = HeldSession(tmp_path, *long_run(8, 6))
    async with cockpit(session) as (pilot, app):
        await pilot.press(key)
        await until(lambda: len(app.screen_stack) > 1, "the screen")
        session.apply(*one_step(9, {"template 9 of a <category>.": 9}), end)
        await settle(pilot)  # on the screen that is over the cockpit
        await pilot.press("escape")
        shown = app.screen_stack[0].query_one(ExamplesPane)
        new = normalise("template 9 of a <category>.")
        await until(lambda: new in shown.table.keys, "the new template")
        line = app.screen_stack[0].query_one(StatusLine)
        assert session.state.status in str(line.render())


async def test_so_does_the_map_under_the_replies_of_a_step(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *long_run(8, 6))
    async with cockpit(session) as (pilot, app):
        await pilot.press("S")
        await settle(pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, StepRepliesScreen), "the replies")
        session.apply(*steered_step(9, 6), ev.RunPaused(step=9))
        await settle(pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, SteeringScreen), "the map")
        shown = app.screen.query_one(SteeringMap)
        await until(lambda: "9 steps" in str(shown.query_one("#map-about").render()), "step 9")

"""Forks that are written from home, whatever their parent is called and whatever is typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.widgets import Input, Label

from engine.storage.journal import read_state
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.cockpit.screens.fork import ForkScreen
from tests.support.home_screens import names
from tests.support.patience import until
from tests.support.written_runs import write_run

NAMES = {
    "bad\x1b[2J\nname": "bad-[2J name-at-2",
    os.fsdecode(b"bad-\xff"): "bad---at-2",
    "-dash": "dash-at-2",
    "宽" * 80: "宽" * 65 + "-at-2",
    "x" * 250: "x" * 195 + "-at-2",
}


@pytest.mark.parametrize(("parent", "name"), NAMES.items(), ids=range(len(NAMES)))
async def test_a_fork_has_a_name_that_can_be_shown_and_written(
    runs: Path, parent: str, name: str
) -> None:
    write_run(runs / "plain").rename(runs / parent)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 1)
        await pilot.press("f")
        await until(lambda: isinstance(app.screen, ForkScreen))
        assert app.screen.query_one(Input).value == name and name.isprintable()
        await pilot.press("enter")
        await until(lambda: name in names(app))
    state = read_state(runs / name)
    assert (state.steps_done, state.config.steps) == (2, 4)


async def test_a_fork_of_a_finished_run_is_given_steps(runs: Path) -> None:
    write_run(runs / "plain")
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: len(names(app)) == 1)
        await pilot.press("f")
        await until(lambda: isinstance(app.screen, ForkScreen))
        said, steps = app.screen.query_one("#problem", Label), app.screen.query_one("#steps", Input)
        assert "has no step left after step 2" in str(said.render()) and steps.value == "4"
        for wrong in ("", "2", "many", "-3"):
            steps.value = wrong
            await pilot.press("enter")
            assert "a number over 2" in str(said.render())
        steps.value = ""
        await pilot.press("down", "7", "enter")
        await until(lambda: "plain-at-2" in names(app))
    assert read_state(runs / "plain-at-2").config.steps == 7


async def test_a_home_that_is_not_there_is_said(runs: Path) -> None:
    write_run(runs / "plain")
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 1)
        await pilot.press("f")
        await until(lambda: isinstance(app.screen, ForkScreen))
        screen = app.screen
        screen.query_one(Input).value = "~no-such-user/x"
        await pilot.press("enter")
        await until(
            lambda: "there is no home folder" in str(screen.query_one("#problem", Label).render())
        )
        assert app.screen is screen

"""``x``: exports of a run while it goes on, of its past, and of a replay; driven by keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.run import events as ev
from engine.session.replay import ReplaySession
from engine.storage.journal import Journal
from glov_tui.cockpit.screens.export import ExportScreen
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step

BEST = "a <category> in blue light."


def facts() -> list[ev.Event]:
    """Three steps, and a fourth that begins; ten seconds a fact, so that no replay runs away."""
    steps = [e for n in (1, 2, 3) for e in one_step(n, {f"a <category> number {n}.": 5 + n})]
    events = [*loaded(), *steps, ev.StepStarted(step=4)]
    return [e.model_copy(update={"time": 1e9 + 10 * i}) for i, e in enumerate(events)]


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """A live run with its journal."""
    folder = tmp_path / "tested"
    journal = Journal.create(folder)
    journal.append(*facts())
    journal.close()
    return HeldSession(folder, *facts())


async def exported(pilot: Any, app: Any, *keys: str) -> None:
    """The dialog with these keys, then enter, until it is closed."""
    await pilot.press("x", *keys, "enter")
    await until(lambda: len(app.screen_stack) == 1, "the export")


def names(session: Any) -> list[str]:
    return sorted(path.name for path in (session.folder / "exports").iterdir())


def said(app: Any) -> str:
    return str(app.screen.query_one("#problem").render())


async def test_the_result_of_a_run_that_goes_on(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        await exported(pilot, app, "right", "right", "right")
        told = [(note.title, note.message) for note in app._notifications]
    path = session.folder / "exports" / "tested.json"
    assert told == [("Exported (json) to", str(path))]
    assert json.loads(path.read_text())["best"]["template"] == "a <category> number 3."
    assert session.sent == []


async def test_the_first_format_is_the_report(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        await exported(pilot, app)
    assert names(session) == ["tested.html"]
    assert "<!DOCTYPE html>" in (session.folder / "exports" / "tested.html").read_text()


async def test_what_is_there_is_replaced_by_a_second_enter_only(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        await exported(pilot, app, "right")
        path = session.folder / "exports" / "tested.md"
        path.write_text("mine")
        await pilot.press("x", "right", "enter")
        await until(lambda: "enter replaces it" in said(app))
        assert path.read_text() == "mine"
        await pilot.press("left", "right")
        assert said(app) == ""
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 1)
        assert path.read_text().startswith("# Prompts")


async def test_another_path_than_the_own_one(session: HeldSession, tmp_path: Path) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("x")
        field = app.screen.query_one("#path")
        field.value = str(tmp_path / "nowhere" / "x.md")
        await pilot.press("right", "enter")
        await until(lambda: "there is no folder" in said(app))
        assert field.value == str(tmp_path / "nowhere" / "x.md")  # stays, whatever the format
        field.value = str(tmp_path / "x.md")
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 1)
    assert (tmp_path / "x.md").read_text().startswith("# Prompts")
    assert not (session.folder / "exports").exists()


async def test_why_there_is_none_is_said_and_the_dialog_stays(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("x", *["right"] * 5, "enter")
        await until(lambda: "--format python writes a script" in said(app))
        assert isinstance(app.screen, ExportScreen)
        await pilot.press("tab", "ctrl+a", "ctrl+k", "enter")
        assert said(app) == "Type a path."
        await pilot.press("escape")


async def test_a_broken_writer_breaks_no_screen(
    session: HeldSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: Any) -> str:
        raise ZeroDivisionError("by \x1b zero")

    monkeypatch.setattr("engine.analysis.export.as_json.write", broken)
    async with cockpit(session) as (pilot, app):
        await pilot.press("x", "right", "right", "right", "enter")
        await until(lambda: "ZeroDivisionError: by \ufffd zero" in said(app))
        await pilot.press("escape")
        assert len(app.screen_stack) == 1
    assert "ZeroDivisionError" in (session.folder / "log.txt").read_text()


async def test_an_earlier_step_of_a_live_run(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        await exported(pilot, app, "right", "right", "right")
        await pilot.press("h", "left")
        await exported(pilot, app, "right", "right", "right")
    assert names(session) == ["tested-at-step-2.json", "tested.json"]
    steps = [
        json.loads((session.folder / "exports" / name).read_text())["steps"]
        for name in names(session)
    ]
    assert steps == [2, 3]


async def test_each_place_of_a_replay_has_a_file_of_its_own(session: HeldSession) -> None:
    replay = ReplaySession.open(session.folder)
    replay.go_to(0)
    async with cockpit(replay) as (pilot, app):
        await pilot.press("home")
        await exported(pilot, app, "right", "right", "right")
        await pilot.press("right")
        await exported(pilot, app, "right", "right", "right")
        await pilot.press("end")
        await exported(pilot, app, "right", "right", "right")
        await pilot.press("home")
        await exported(pilot, app)  # a report of the seed alone
    assert names(session) == [
        *("tested-at-step-0.html", "tested-at-step-0.json"),
        *("tested-at-step-1.json", "tested.json"),
    ]
    done = {
        name: json.loads((session.folder / "exports" / name).read_text())["steps"]
        for name in names(session)
        if name.endswith("json")
    }
    assert done == {
        "tested-at-step-0.json": 0,
        "tested-at-step-1.json": 1,
        "tested.json": 3,
    }


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24), (60, 20)])
async def test_the_dialog_fits(session: HeldSession, size: tuple[int, int]) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("x")
        await pilot.pause()
        box = app.screen.query_one("Vertical").region
        assert app.screen.region.contains_region(box)
        for name in ("#format", "#about", "#path", "#problem"):
            assert box.contains_region(app.screen.query_one(name).region)


async def test_palette_and_help_have_it(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert "Export (x)" in titles
        await pilot.press("question_mark")
        assert "Write a report, a table" in app.screen.query_one("TextView").plain

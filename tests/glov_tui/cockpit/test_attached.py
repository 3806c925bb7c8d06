"""Screens that are attached to a run: who may drive it, what is kept, how a screen is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import TextArea

from engine.common.kept import Kept
from engine.config.toml_file import load_config
from engine.remote import client
from engine.remote.client import RemoteSession
from engine.remote.driver import Driver
from engine.remote.messages import TakeControls
from engine.remote.server import ControlServer
from engine.run import events as ev
from engine.run.commands import Pause, Stop
from engine.session.local import LocalSession
from engine.storage.journal import is_driven, read_journal
from engine.storage.run_folder import SOCKET
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.going import Around
from glov_tui.cockpit.panes.ending import EndingLine
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.screens.editor import EditorScreen
from glov_tui.cockpit.screens.inject import InjectScreen
from glov_tui.cockpit.screens.question import QuestionScreen
from tests.support.patience import CEILING_SECONDS, until


@pytest.fixture
def serving() -> Iterator[ExitStack]:
    """What serves the screens of ``engine``, until it is closed as at the engine's end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def engine(run_folder: Path, kept: Kept, serving: ExitStack) -> Iterator[LocalSession]:
    """A real run that holds in its first step."""

    def pause_early(event: ev.Event, _: object) -> None:
        if isinstance(event, ev.MetaPromptComposed) and event.step == 1:
            session.send(Pause())

    config = load_config("demo", ["steps=3", "data.shots=1", "sampling.max_new_tokens=20"])
    session = LocalSession.create(config, run_folder, pause_early, kept)
    serving.enter_context(ControlServer(session))
    session.start()
    yield session
    session.send(Stop())
    assert session.wait(CEILING_SECONDS)


@pytest.fixture
def other(engine: LocalSession) -> RemoteSession:
    """A screen that came first, and so has the controls."""
    return RemoteSession.attach(engine.folder, "pts/other")


@asynccontextmanager
async def cockpit(folder: Path):
    app = GlovApp(RemoteSession.attach(folder, "pts/here"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.session.state.status == "paused")
        yield pilot, app
    app.session.close()


def keys(app: GlovApp) -> set[str]:
    return {b.binding.description for b in app.screen.active_bindings.values() if b.enabled}


def status(app: GlovApp) -> str:
    return app.query_one(StatusLine).line(app.session.state)


def ending(app: GlovApp) -> str:
    """What stands below the status line."""
    line = app.query_one(EndingLine)
    return str(line.render()) if line.display else ""


def messages(app: GlovApp) -> list[str]:
    return [notice.message for notice in app._notifications]


async def test_alone_it_has_the_controls_and_says_nothing_of_them(engine) -> None:
    async with cockpit(engine.folder) as (_, app):
        await until(lambda: "Go on" in keys(app))
        assert "Take controls" not in keys(app)
        assert "screens" not in status(app) and not app._notifications


async def test_a_second_screen_watches_and_takes_the_controls(engine, other) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        await until(lambda: "Take controls" in keys(app))
        assert not {"Go on", "Edit", "Lab", "Inject"} & keys(app)
        assert {"History", "Fork", "Help"} <= keys(app)
        await until(lambda: "watching, pts/other has the controls (c: take)" in status(app))
        await pilot.press("space", "plus", "e")
        assert app.screen is app.screen_stack[0]
        await pilot.press("c")
        await until(lambda: {"Go on", "Edit", "Lab"} <= keys(app))
        assert "Take controls" not in keys(app)
        await until(lambda: "2 screens" in status(app) and "script" not in status(app))
        await until(lambda: other.controls.holder == app.session.number)
        assert other.controls.taken_at is not None
    assert not engine.state.edits


async def test_a_script_is_no_screen(engine) -> None:
    async with cockpit(engine.folder) as (_, app):
        await until(lambda: "Go on" in keys(app))
        with Driver(engine.folder, "a watch", watches=True):
            await until(lambda: "1 script" in status(app))
            assert "screen" not in status(app)
        await until(lambda: "script" not in status(app))


async def test_who_loses_the_controls_is_told_by_whom_and_when_and_takes_them_back(engine) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        await until(lambda: "Edit" in keys(app))
        other = RemoteSession.attach(engine.folder, "\x1b[31mpts/other")
        other.send(TakeControls())
        await until(lambda: "Take controls" in keys(app))
        at = time.strftime("%H:%M:%S", time.localtime(other.controls.taken_at))
        taken = f"pts/other took the controls at {at}"
        await until(lambda: any(taken in m for m in messages(app)))
        await until(lambda: f"{taken} (c: take)" in status(app))
        assert "\x1b" not in status(app)
        await pilot.press("c")
        await until(lambda: "Edit" in keys(app))
        await until(lambda: other.controls.holder != other.number)


async def test_a_screen_whose_line_dropped_does_not_have_them_when_it_is_back(engine) -> None:
    async with cockpit(engine.folder) as (_, app):
        await until(lambda: "Edit" in keys(app))
        other = RemoteSession.attach(engine.folder, "pts/other")
        app.session._outgoing.append(b"\n" * 30)  # for this the engine closes the connection
        app.session._wake_up()
        await until(lambda: other.controls.holder == other.number)
        await until(lambda: "Take controls" in keys(app))
        said = "pts/other has the controls. c takes them back"
        await until(lambda: any(said in m for m in messages(app)))
        assert len(other.controls.screens) == 2


async def test_what_was_typed_is_kept_when_the_controls_went_meanwhile(engine) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        await until(lambda: "Edit" in keys(app))
        other = RemoteSession.attach(engine.folder, "pts/other")
        for key, typed in (("e", "TYPED "), ("i", "a <category> of mine.")):
            await pilot.press(key)
            await pilot.press(*typed)
            other.send(TakeControls())
            await until(lambda: not app.has_controls)
            await pilot.press("ctrl+s" if key == "e" else "enter")
            kept = EditorScreen if key == "e" else InjectScreen
            assert isinstance(app.screen, kept) and not app.has_controls
            assert typed.strip() in app.screen.query(TextArea).first().text
            await until(lambda: any("takes them back" in m for m in messages(app)))
            await pilot.press("ctrl+s" if key == "e" else "enter")
            await until(lambda: app.screen is app.screen_stack[0])
            await until(lambda: app.has_controls)
        await until(lambda: engine.state.edits)
        assert "TYPED" in engine.state.edits[0].edit.value
        await until(lambda: engine.state.find("a <category> of mine"))


async def test_what_was_typed_is_kept_when_the_run_has_ended_meanwhile(engine) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        await until(lambda: "Edit" in keys(app))
        await pilot.press("e")
        await pilot.press(*"TYPED ")
        engine.send(Stop())
        await until(lambda: "Stopped" in [n.title for n in app._notifications])  # seen here too
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, EditorScreen)
        assert "TYPED" in app.screen.query(TextArea).first().text
        await until(lambda: any("has ended" in m for m in messages(app)))


async def test_a_run_that_stopped_says_so_until_another_engine_takes_it_up(
    engine, kept, serving
) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        app.around = Around("pts/here")
        await until(lambda: "Edit" in keys(app))
        engine.send(Stop())
        await until(lambda: engine.ended)
        await asyncio.to_thread(serving.close)
        await until(lambda: "Stopped  space goes on, q leaves" in ending(app))
        app.clear_notifications()
        await pilot.press("1", "2")
        assert "Stopped" in ending(app) and app.query_one(EndingLine).size.height == 1
        assert "Go on" in keys(app)
        await until(lambda: not is_driven(engine.folder))
        again = LocalSession.resume(engine.folder, kept=kept)
        with ControlServer(again):
            again.start()
            await pilot.press("space")  # somebody else was first: this screen joins them
            await until(lambda: app.opened)
            assert app.opened.session.ended is False
            app.opened.session.close()
            again.send(Stop())
            assert again.wait(CEILING_SECONDS)


async def test_without_a_way_to_another_screen_the_command_is_named(engine) -> None:
    async with cockpit(engine.folder) as (_, app):  # as in a page of a browser
        engine.send(Stop())
        await until(lambda: f"glov resume {engine.folder}" in ending(app).replace("\n", ""))
        assert "Go on" not in keys(app)


async def test_an_engine_that_can_not_be_reached_is_said_until_it_can_be(engine) -> None:
    async with cockpit(engine.folder) as (_, app):
        await until(lambda: "Edit" in keys(app))
        place, away = engine.folder / SOCKET, engine.folder / "away"
        place.rename(away)
        app.session._outgoing.append(b"\n" * 30)  # for this the engine closes the connection
        app.session._wake_up()
        await until(lambda: "The engine can't be reached" in ending(app))
        assert "No such file" in ending(app) and f"`kill {os.getpid()}`" in ending(app)
        await until(lambda: "out of reach" in status(app))
        away.rename(place)
        await until(lambda: not ending(app))
        assert "paused" in status(app)


async def test_an_engine_that_says_nothing_is_told_of_until_it_does(
    engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is suspended: its connection stands."""
    async with cockpit(engine.folder) as (_, app):
        with monkeypatch.context() as patched:
            patched.setattr(client, "SILENCE_SECONDS", 0.05)  # the machine is told of less often
            await until(lambda: "The engine says nothing" in ending(app))
            assert f"`kill -CONT {os.getpid()}` has it go on" in ending(app).replace("\n", " ")
            await until(lambda: "silent" in status(app))
        await until(lambda: not ending(app))
        assert "paused" in status(app)


async def test_q_detaches_or_stops(engine) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        await pilot.press("q", "escape", "q", "n", "q")
        assert isinstance(app.screen, QuestionScreen)
        await pilot.press("d")
        await until(lambda: not app.is_running)
    assert engine.state.status == "paused" and not engine.ended
    async with cockpit(engine.folder) as (pilot, app):
        await pilot.press("q", "s")
        await until(lambda: not app.is_running)
    assert read_journal(engine.folder).events[-1].kind == "run-stopped"


async def test_a_screen_that_watches_leaves_without_a_question(engine, other) -> None:
    async with cockpit(engine.folder) as (pilot, app):
        await pilot.press("q")
        await until(lambda: not app.is_running)
    await until(lambda: len(other.controls.screens) == 1)
    assert not engine.ended


@pytest.mark.parametrize("started_here", [False, True])
async def test_sigterm_stops_the_run_where_both_began_as_one(engine, started_here) -> None:
    async with cockpit(engine.folder) as (_, app):
        app.session.starts_engine = started_here
        app._told(signal.SIGTERM)
        await until(lambda: not app.is_running)
    assert (engine.state.status == "stopped") == started_here


async def test_what_is_refused_is_in_the_log(engine, other) -> None:
    async with cockpit(engine.folder) as (_, app):
        app.session.send(Stop.model_construct(kind="nonsense"))
        await until(lambda: "not understood" in app.session.state.log[-1].text)
        assert app.session.state.log[-1].level == "warning"

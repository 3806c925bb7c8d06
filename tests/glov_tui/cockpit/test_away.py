"""The key that has one told when away, where no terminal is known: what it says, and the mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.user_file import user_file
from engine.run import events as ev
from engine.storage.quiet import is_quiet
from glov_tui.cockpit.away import progress_of
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(tmp_path / "settings"))
    user_file().parent.mkdir(mode=0o700)


def status(app) -> str:
    return app.screen_stack[0].query_one("StatusLine").content.plain


async def told(app) -> None:
    await until(lambda: app._telling is not None, "the user's file was read")


async def test_it_says_where_to_say_so_if_nothing_tells(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded())
    async with cockpit(session) as (pilot, app):
        await told(app)
        await pilot.press("A")
        await pilot.pause()
        assert any(str(user_file()) in said.message for said in app._notifications)
        assert not is_quiet(tmp_path)
        assert "♪" not in status(app)


async def test_a_command_is_turned_off_and_on_by_one_key(tmp_path: Path) -> None:
    user_file().write_text('[notify]\ncommand = "x"')
    session = HeldSession(tmp_path, *loaded())
    async with cockpit(session, size=(80, 24)) as (pilot, app):
        await until(lambda: "running ♪ " in status(app), "the sign")
        await pilot.press("A")
        await until(lambda: "♪ off" in status(app), "the sign")
        assert is_quiet(tmp_path)
        await pilot.press("A")
        await until(lambda: "running ♪ " in status(app), "the sign")
        assert not is_quiet(tmp_path)


async def test_settings_that_are_wrong_are_said_and_nothing_is_told(tmp_path: Path) -> None:
    user_file().write_text("[notify]\ntimeout = 0")
    session = HeldSession(tmp_path, *loaded())
    async with cockpit(session) as (_, app):
        await told(app)
        assert any("notify.timeout" in said.message for said in app._notifications)
        assert app._tellers() == []


def test_the_progress_of_each_state() -> None:
    session = HeldSession(Path("/nowhere"), *loaded())
    assert progress_of(session.state) == ("normal", 0)
    session.apply(*one_step(1, {"a dim <category>.": 6}))
    assert session.state.config is not None
    percent = 100 // session.state.config.steps
    assert progress_of(session.state) == ("normal", percent)
    paused = session.state.apply(ev.RunPaused(step=1))
    assert progress_of(paused) == ("held", percent)
    assert progress_of(session.state.apply(ev.RunFailed(message="x"))) == ("error", percent)
    assert progress_of(session.state.apply(ev.RunStopped(step=1))) == ("clear", 0)
    assert progress_of(session.state.apply(ev.RunReopened(versions={}))) == ("busy", 0)

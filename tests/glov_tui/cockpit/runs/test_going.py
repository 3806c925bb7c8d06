"""From run to run: what does not open is passed, and what nobody waits for any more is let go."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from engine.remote.client import RemoteSession
from engine.storage.run_folder import EVENTS
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.going import Around
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.cockpit.runs.opening import Opened
from tests.support.patience import until
from tests.support.written_runs import write_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("one", "two", "three", "four"):
        write_run(tmp_path / "runs" / name)
    return tmp_path / "runs"


@pytest.mark.parametrize(("key", "at"), [(">", "four"), ("<", "one")])
async def test_a_run_that_is_gone_or_damaged_is_passed_by_the_next_press(
    runs: Path, key: str, at: str
) -> None:
    folders = tuple(runs / name for name in ("one", "two", "three", "four"))
    here = folders[1]
    shutil.rmtree(folders[2])
    away = folders[0] if key == "<" else folders[3]
    for gone in {folders[2], folders[0], folders[3]} - {away, folders[2]}:
        (gone / EVENTS).write_text("no journal\n")
    order = folders if key == ">" else (folders[0], folders[2], here, folders[3])
    app = GlovApp(RemoteSession.without_engine(here, "pts/here"))
    app.around = Around("pts/here", order)
    name = {">": "greater_than_sign", "<": "less_than_sign"}[key]
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(name)
        await until(lambda: "three" in "".join(n.message for n in app._notifications))
        assert app.opened is None and app.is_running
        await pilot.press(name)
        await until(lambda: app.opened is not None)
    assert app.opened is not None and app.opened.folder.name == at


async def test_where_only_gone_runs_are_left_none_is_opened(runs: Path) -> None:
    one, two = runs / "one", runs / "two"
    shutil.rmtree(two)
    app = GlovApp(RemoteSession.without_engine(one, "pts/here"))
    app.around = Around("pts/here", (one, two))
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(3):
            await pilot.press("greater_than_sign")
            await until(lambda: app._opening is None)
        assert "two" in said(app)
        assert app.opened is None and app.is_running


def said(app: GlovApp) -> str:
    return "\n".join(n.message for n in app._notifications)


async def test_what_opens_after_its_screen_was_left_is_let_go(runs: Path) -> None:
    """Else it is a screen that nobody sees, and has the controls."""
    may_open, closed = threading.Event(), threading.Event()
    session = RemoteSession.without_engine(runs / "one", "pts/here")
    close = session.close

    def seen_close(seconds: float = 0.0) -> None:
        closed.set()
        close(seconds)

    session.close = seen_close  # type: ignore[method-assign]

    def slow() -> Opened:
        may_open.wait()
        return Opened(runs / "one", session)

    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: app.selected is not None)
        app.open_next("one", slow)
        await pilot.press("q")
    assert not closed.is_set()
    may_open.set()
    await until(closed.is_set)
    assert app.opened is None

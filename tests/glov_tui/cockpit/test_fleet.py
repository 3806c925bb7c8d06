"""The fleet's screen: rows, what is opened and stopped, and what fits where it is narrow."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from engine.storage.journal import Journal
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS
from engine.sweeps.driving import driving
from engine.sweeps.fleet import Fleet, FleetState, TrialRow
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from glov_tui.cockpit.fleet.app import FleetApp
from glov_tui.cockpit.fleet.lines import Columns, header, row_line, status_line
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.widgets.row_table import RowTable
from tests.support.patience import until, wait_until


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """One run finished, one under way on this host, one that failed, one not begun."""
    open_sweep(tmp_path, make_grid("demo", ["steps=2"], [parse_axis("seed=0:4")]))
    write(tmp_path / "seed=0", finished=True)
    write(tmp_path / "seed=1", finished=False)
    (tmp_path / "seed=2").mkdir()
    (tmp_path / "seed=2" / EVENTS).write_text('{"a": "\\u001b[2J"}\n')
    return Fleet(tmp_path)


def write(folder: Path, finished: bool) -> None:
    from tests.support.written_runs import write_run

    write_run(folder, "steps=2", curve=(40, 60) if finished else (50,), finished=finished)


def shown(app: FleetApp) -> str:
    table = app.query_one(RowTable)
    parts = [str(widget.content) for widget in app.query(Static)]
    return "\n".join([*parts, *(table.line(at) for at in range(len(table.keys)))])


async def test_runs_are_shown_opened_and_stopped(fleet: Fleet, tmp_path: Path) -> None:
    asked: list[str | None] = []
    with driving(tmp_path, asked.append):
        journal = Journal(tmp_path / "seed=1")
        app = FleetApp(fleet)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(lambda: "seed=3" in shown(app))
            text = shown(app)
            for expected in ("✓ finished", "▶ running", "✗ damaged", "waiting", "1/2", "75.0"):
                assert expected in text
            assert "2 of 4 runs" in text and "1 under way" in text and "1 failed" in text
            assert "\x1b" not in text
            await pilot.press("down")
            assert f"process {os.getpid()}" in shown(app) and "this machine" in shown(app)
            await pilot.press("s")
            await until(lambda: asked == ["seed=1"])
            await pilot.press("down", "down", "enter")  # not begun: nothing is opened
            assert app.is_running and app.opened is None
            await pilot.press("S", "n")
            await pilot.press("S", "s")
            await until(lambda: asked == ["seed=1", None])
            assert app.stopping
            await pilot.press("up", "up", "enter")
        assert app.opened is not None and app.opened.name == "seed=1"
        journal.abandon()


async def test_one_thread_looks(fleet: Fleet) -> None:
    """Of two, one takes away what the other reads: a run that fails was shown as damaged."""
    app = FleetApp(fleet)
    async with app.run_test():
        await until(lambda: "seed=3" in shown(app))
        assert [thread.name for thread in threading.enumerate()].count("glov-runs") == 1


async def test_keys_have_names_where_there_are_no_signs_for_them(fleet: Fleet) -> None:
    app = FleetApp(fleet)
    app.add_class("-ascii")
    async with app.run_test():
        await until(lambda: "enter Open" in shown(app))
        assert "\N{RETURN SYMBOL}" not in shown(app)


def test_a_sweep_whose_runs_have_all_ended_is_not_stopped(tmp_path: Path) -> None:
    rows = [TrialRow(f"seed={at}", tmp_path, 2, "finished") for at in range(3)]
    failed, left = (TrialRow("seed=3", tmp_path, 2, status) for status in ("failed", "stopped"))
    for last, word in ((rows[0], "finished"), (failed, "failed"), (left, "stopped")):
        ((_, _), (state, _), *_) = status_line(
            FleetState(tmp_path, (*rows, last), None), None, UNICODE, 80
        )
        assert word in state
    seen = FleetState(tmp_path, (failed, left), None)
    assert "stopped" in status_line(seen, None, UNICODE, 80)[1][0]
    seen = FleetState(tmp_path, (rows[0], TrialRow("seed=1", tmp_path, 2)), None)
    assert "interrupted" in status_line(seen, None, UNICODE, 80)[1][0]


async def test_leaving_asks_only_where_something_is_at_work(fleet: Fleet, tmp_path: Path) -> None:
    idle = FleetApp(fleet, selected="seed=2")
    async with idle.run_test() as pilot:
        await until(lambda: "seed=3" in shown(idle))
        assert idle.query_one(RowTable).selected_key == "seed=2"
        await pilot.press("q")
        await until(lambda: not idle.is_running)
    with driving(tmp_path, lambda name: None):
        app: Any = FleetApp(fleet)
        async with app.run_test() as pilot:
            await until(lambda: app.seen is not None and app.seen.driver is not None)
            await until(lambda: "sweeping" in shown(app))
            await pilot.press("q", "n")
            assert app.is_running and not app.stopping
            await pilot.press("q", "d")
            await until(lambda: not app.is_running)
        assert not app.stopping


def test_what_is_least_important_goes_first(fleet: Fleet, tmp_path: Path) -> None:
    row = fleet.look().rows[0]
    widths = {}
    for width in (60, 78, 118, 198):
        columns = Columns.fitting(width, 60, several_nodes=True)
        line = "".join(text for text, _ in row_line(row, columns, UNICODE, best=True))
        assert len(line) == sum(len(text) for text, _ in header(columns)) <= width
        widths[width] = columns
    assert widths[198].name == 60 and widths[198].bar and widths[198].node
    assert widths[78].eta and widths[78].node and not widths[78].bar
    short = Columns.fitting(78, 10, several_nodes=False)
    assert short.bar and short.test and not short.node
    seen = fleet.look()
    for width in (40, 80, 200):
        spans = status_line(seen, 90.0, ASCII, width)
        assert sum(len(text) for text, _ in spans) <= width
        assert "".join(text for text, _ in spans).isascii()


def test_a_run_on_another_host_says_how_it_is_opened(tmp_path: Path) -> None:
    from glov_tui.cockpit.fleet.lines import detail_lines

    open_sweep(tmp_path, make_grid("demo", ["steps=2"], [parse_axis("seed=0")]))
    write(tmp_path / "seed=0", finished=False)
    owner = {"pid": 3, "host": "node-\x1b[2J7"}
    (tmp_path / "seed=0" / OWNER).write_text(json.dumps(owner))
    (row,) = Fleet(tmp_path).look().rows
    assert isinstance(row, TrialRow)
    text = "".join(text for line in detail_lines(row, UNICODE) for text, _ in line)
    assert "node-" in text and "another machine: enter follows its journal" in text
    assert "\x1b" not in text
    assert wait_until(lambda: row.best) == 50 / 80

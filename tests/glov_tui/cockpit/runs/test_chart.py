"""Several runs on one chart: lines, legend, alignment, smoothing, and the log of interventions."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Static

from engine.run import events as ev
from engine.session.replay import ReplaySession
from engine.storage.journal import Journal
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.plan import SWEEP
from engine.sweeps.sweep import open_sweep
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.going import Around
from glov_tui.cockpit.runs.cells import told_apart
from glov_tui.cockpit.runs.chart import ChartScreen, names_of
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.widgets.line_chart import LineChart
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.written_runs import write_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    write_run(tmp_path / "runs" / "first", curve=(40, 60, 65, 70), edited=True)
    write_run(tmp_path / "runs" / "second", curve=(35,), finished=False)
    return tmp_path / "runs"


def said(screen: ChartScreen, id: str) -> str:
    return "".join(str(line.content) for line in screen.query(f"#{id}").results(Static))


def legend(screen: ChartScreen) -> str:
    return "".join(view.plain for view in screen.query(TextView))


def plot(screen: ChartScreen) -> str:
    chart = screen.query_one(LineChart)
    return "\n".join(chart.render_line(y).text for y in range(chart.size.height))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 20)])
async def test_runs_on_one_chart(runs: Path, size: tuple[int, int]) -> None:
    memory = HomeMemory.kept()
    for name in ("first", "second"):
        memory.toggle(runs / name)
    app = HomeApp(memory)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.selected is not None)
        await pilot.press("v")
        await until(lambda: isinstance(app.screen, ChartScreen))
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await until(lambda: "2 runs: best few-shot accuracy by" in said(screen, "chart-title"))
        for expected in ("first", "second", "87.5", "43.8", "75.0"):
            assert expected in legend(screen)
        await until(lambda: "1 first" in plot(screen) and "2 second" in plot(screen))
        table = screen.query_one(RowTable)
        assert len(table.keys) == 1 and "steering.alpha = 0.1" in table.line(0)
        assert "first, step 0, a person: steering.alpha = 0.1" in said(screen, "chart-said")
        assert table.size.height >= 2  # its header, and the row
        await pilot.press("tab", "enter")
        await until(lambda: screen.query_one(LineChart).cursor == 0.0)
        await until(lambda: "37.5" in legend(screen))  # what was best there
        await pilot.press("x")
        await until(lambda: "minutes at work" in said(screen, "chart-title"))
        await pilot.press("x")
        await until(lambda: "training images scored" in said(screen, "chart-title"))
        assert screen.query_one(LineChart).nearest(1e9) == 80.0 * 5
        await pilot.press("x", "s")
        await until(lambda: "mean of 3 steps, as it was behind" in said(screen, "chart-title"))
        journal = Journal(runs / "second")
        journal.append(ev.TemplateInjected(step=1, template="mine, a <category>", author="ada"))
        await until(lambda: len(table.keys) == 2 and "ada" in table.line(1))
        journal.close()
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)


async def test_marked_runs_beside_the_one_in_the_cockpit(runs: Path) -> None:
    HomeMemory.kept().toggle(runs / "second")
    app = GlovApp(ReplaySession.open(runs / "first"))
    app.around = Around("a test")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("v")
        await until(lambda: isinstance(app.screen, ChartScreen))
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await until(lambda: "2 runs" in said(screen, "chart-title"))
        assert "first" in legend(screen)
        await pilot.press("v")
        await until(lambda: len(app.screen_stack) == 1)
        await pilot.press("R")
    assert app.goes_home and app.is_followed()


async def test_a_run_that_is_no_more_says_so(runs: Path) -> None:
    app = GlovApp(ReplaySession.open(runs / "first"))
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(ChartScreen([runs / "gone"], app._glyphs))
        await until(lambda: isinstance(app.screen, ChartScreen))
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await until(lambda: "can't be read" in legend(screen))
        await pilot.press("R")  # without a home to go to
        assert not app.goes_home


def test_names_on_a_chart_are_told_apart() -> None:
    folders = [Path("/a/x/run"), Path("/a/y/run"), Path("/b/x/run"), Path("/b/other")]
    assert names_of(folders) == ["a/x/run", "y/run", "b/x/run", "other"]
    stem, end = "clip-paper-on-a-data-set-with", "and-the-same-end-of-it-all"
    names = [f"{stem}-{middle}-{end}" for middle in ("alpha=0.5", "alpha=0.75", "beta")]
    names += ["other", "宽" * 30 + "一" + "宽" * 30, "宽" * 30 + "二" + "宽" * 30]
    for cells in (8, 18, 40):
        short = told_apart(names, cells)
        assert len(set(short)) == len(names) and short[3] == "other"
        assert all(cell_len(name) <= cells for name in short)
    assert told_apart(["x" * 30] * 2, 10)[0] == told_apart(["x" * 30] * 2, 10)[1]
    assert "75" in told_apart(names, 18)[1]


async def test_a_run_and_a_link_to_it_are_one_line(runs: Path) -> None:
    (runs / "link").symlink_to(runs / "first")
    app = GlovApp(ReplaySession.open(runs / "first"))
    async with app.run_test(size=(120, 40)):
        app.push_screen(ChartScreen([runs / "link", runs / "first", runs / "second"], app._glyphs))
        await until(lambda: isinstance(app.screen, ChartScreen))
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await until(lambda: "2 runs" in said(screen, "chart-title"))


async def test_a_legend_that_does_not_fit_is_scrolled(runs: Path) -> None:
    for number in range(8):
        write_run(runs / f"more-{number}")
    app = GlovApp(ReplaySession.open(runs / "first"))
    async with app.run_test(size=(80, 24)) as pilot:
        folders = [*sorted(runs.glob("more-*")), runs / "first"]
        app.push_screen(ChartScreen(folders, app._glyphs))
        await until(lambda: isinstance(app.screen, ChartScreen))
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await until(lambda: "9 runs" in said(screen, "chart-title"))
        assert "tab, down: 5 more below" in said(screen, "chart-title")
        view = screen.query_one(TextView)
        await pilot.press("tab")
        await until(lambda: app.focused is view)
        await pilot.press("end")
        await until(lambda: view.scroll_offset.y == 5)
        await pilot.press("tab")
        await until(lambda: app.focused is screen.query_one(RowTable))


async def test_runs_of_a_sweep_that_begin_later_join_and_a_broken_sweep_hides_none(
    runs: Path,
) -> None:
    for name in ("modes", "broken"):
        open_sweep(runs / name, make_grid("demo", ["steps=2"], [parse_axis("seed=0:3")]))
    (runs / "broken" / SWEEP).write_text("{")
    app = GlovApp(ReplaySession.open(runs / "first"))
    async with app.run_test(size=(160, 40)):
        app.push_screen(ChartScreen([runs / "modes", runs / "broken"], app._glyphs))
        await until(lambda: isinstance(app.screen, ChartScreen))
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await until(lambda: "broken" in said(screen, "chart-title"))
        write_run(runs / "modes" / "seed=1", curve=(40, 60))
        await until(lambda: "1 run:" in said(screen, "chart-title"))
        assert "broken" in said(screen, "chart-title")  # what is wrong is said still
        write_run(runs / "modes" / "seed=0", curve=(40, 64))
        await until(lambda: "2 runs:" in said(screen, "chart-title"))
        lines = legend(screen).split("\n")
        assert lines[0].startswith(" 1 ") and "seed=1" in lines[0] and "seed=0" in lines[1]


async def test_another_size_has_room_for_another_number_of_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glov_tui.cockpit.runs.chart.rest_after", lambda took, least: 3600.0)
    for name in "cdef":
        write_run(runs / name, curve=(30, 40))
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.selected is not None)
        screen = ChartScreen(sorted(runs.iterdir()), app._glyphs)
        app.push_screen(screen)
        await until(lambda: "2 more below" in said(screen, "chart-title"))
        await pilot.resize_terminal(120, 40)
        await until(lambda: "6 runs" in said(screen, "chart-title"))
        await until(lambda: "more below" not in said(screen, "chart-title"))
        await until(lambda: screen.query_one(TextView).size.height == 6)

"""Home: rows, the filter, marks and order, and what is done to runs from it."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing
from engine.run import events as ev
from engine.storage.journal import Journal, read_state
from engine.storage.run_folder import EVENTS
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from glov_tui.cockpit.runs.comparison import ComparisonScreen
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.home_lines import HomeColumns, header, row_line, status_line
from glov_tui.cockpit.runs.live_table import rest_after
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView
from tests.support.home_screens import keys_of, names, shown, some_runs
from tests.support.patience import CEILING_SECONDS, until
from tests.support.written_runs import write_run


async def test_all_runs_are_rows_and_follow_what_happens(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(160, 40)) as pilot:
        await until(lambda: len(names(app)) == 4)
        text = shown(app)
        for expected in ("✓ finished", "■ interrupted", "✗ damaged", "2/2", "87.5", "demo-harbour"):
            assert expected in text
        assert "4 runs" in text and "1 failed or damaged" in text and "\x1b" not in text
        journal = Journal(runs / "cut")
        await until(lambda: "▶ 1 under way" in shown(app))
        journal.append(ev.RunPaused(step=1))
        await until(lambda: "‖ paused" in shown(app))
        journal.close()
        write_run(runs / "new", curve=(40, 60))
        await until(lambda: "new" in names(app))
        await pilot.press("q")
    assert app.opened is None and not app.quits


async def test_the_filter_is_live_says_what_is_wrong_and_is_ended(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        await pilot.press("slash", *"state:fin")
        await until(lambda: names(app) == ["two", "one"])
        assert "2 of 4 runs" in shown(app)
        await pilot.press(*" data:harbour", "enter")
        await until(lambda: names(app) == ["two"])
        assert isinstance(app.focused, RowTable)
        await pilot.press("slash", *" two:red")
        await until(lambda: "there is no such key" in shown(app))
        assert names(app) == ["two"]  # as they were
        await pilot.press("escape")
        await until(lambda: len(names(app)) == 4)
        assert "no such key" not in shown(app) and not app.query_one(Input).value
        await pilot.press("slash", *"nothing-like-that", "enter")
        await until(lambda: "No run is so." in shown(app))
        await pilot.press("escape")
        await until(lambda: len(names(app)) == 4)


async def test_marks_and_order_are_kept_and_lead_to_the_neighbours(runs: Path) -> None:
    some_runs(runs)
    memory = HomeMemory.kept()
    app = HomeApp(memory)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        await pilot.press("o")
        await until(lambda: names(app)[:3] == ["two", "one", "cut"])
        assert memory.neighbours() == (runs / "two", runs / "one", runs / "cut")  # no damaged one
        await pilot.press("home", "space", "down", "space")  # two, cut
        await until(lambda: "● 2 marked" in shown(app))
        assert memory.neighbours() == (runs / "two", runs / "cut")
        await pilot.press("q")
    again = HomeMemory.kept()
    assert list(again.marked) == [runs / "two", runs / "cut"] and again.order == "best"
    app = HomeApp(again)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: "● 2 marked" in shown(app))
        await pilot.press("u")
        await until(lambda: "marked" not in shown(app))
    assert not HomeMemory.kept().marked


async def test_a_marked_run_outside_the_runs_folder_is_found_again(
    runs: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "elsewhere" / "outside"
    write_run(runs / "inside")
    write_run(outside)
    memory = HomeMemory.kept()
    memory.watch.elsewhere[outside] = None
    app = HomeApp(memory)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 2)
        await pilot.press("u", "home", "space", "down", "space")
        await until(lambda: "● 2 marked" in shown(app))
    again = HomeMemory.kept()
    assert set(again.marked) == {runs / "inside", outside}
    app = HomeApp(again)
    async with app.run_test(size=(120, 30)):
        await until(lambda: sorted(names(app)) == ["inside", "outside"])
        await until(lambda: "● 2 marked" in shown(app))


async def test_a_run_that_ended_is_shown_as_it_was_left(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        app.query_one(RowTable).select(str(runs / "broken"))
        await pilot.press("enter")
        await until(lambda: "line 1 of 1 is damaged" in keys_of(app))
        assert app.is_running and app.opened is None
        app.query_one(RowTable).select(str(runs / "one"))
        await pilot.press("enter")
        await until(lambda: app.opened is not None)
    assert app.opened is not None and app.opened.folder == runs / "one"
    assert app.opened.session is not None and app.opened.session.state.status == "finished"
    assert app.memory.selected == runs / "one"


async def test_deleting_asks_and_names_what_is_lost(runs: Path) -> None:
    some_runs(runs)
    (runs / "two" / "notes.txt").write_text("mine")
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        app.query_one(RowTable).select(str(runs / "two"))
        await pilot.press("d")
        await until(lambda: len(app.screen_stack) == 2)
        said = str(app.screen.query_one("Label").render())
        assert str(runs / "two") in said and "2 steps and best 87.5%" in said
        assert "notes.txt" in said
        await pilot.press("n")
        await until(lambda: len(app.screen_stack) == 1)
        assert (runs / "two").is_dir()
        await pilot.press("d")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.press("d", "d", "d")  # a key that is held down
        assert len(app.screen_stack) == 2 and (runs / "two").is_dir()
        await pilot.press("y")
        await until(lambda: names(app) != [] and "two" not in names(app))
        assert not (runs / "two").exists()
        journal = Journal(runs / "cut")
        app.query_one(RowTable).select(str(runs / "cut"))
        await until(lambda: "▶ 1 under way" in shown(app))
        app.clear_notifications()
        await until(lambda: "Delete" not in keys_of(app) and "Stop" in keys_of(app))
        await pilot.press("d")
        assert len(app.screen_stack) == 1
        journal.abandon()


async def test_a_sweep_is_deleted_with_its_runs_and_one_that_holds_another_stays(
    runs: Path,
) -> None:
    open_sweep(runs / "modes", make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")]))
    write_run(runs / "modes" / "seed=0", curve=(40, 60))
    write_run(runs / "outer")
    write_run(runs / "outer" / "inner")
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 2)
        app.query_one(RowTable).select(str(runs / "modes"))
        await pilot.press("d")
        await until(lambda: len(app.screen_stack) == 2)
        assert "Lost: 1 run and best 75.0%" in str(app.screen.query_one("Label").render())
        await pilot.press("y")
        await until(lambda: names(app) == ["outer"])
        await pilot.press("d")
        await until(lambda: "has another run in it, inner" in keys_of(app))
        looked = threading.Event()
        app.do_aside(partial(looked.wait, CEILING_SECONDS), lambda: None)
        await pilot.press("n", "d")  # answers that are typed before the question is there
        looked.set()
        await until(lambda: not app._asides)
        assert app.opened is None and app._opening is None and len(app.screen_stack) == 1
    assert not (runs / "modes").exists() and (runs / "outer" / "inner" / EVENTS).is_file()


async def test_a_fork_is_written_and_is_there_at_once(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        app.query_one(RowTable).select(str(runs / "one"))
        await pilot.press("f")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.press("enter")
        await until(lambda: "one-at-2" in names(app))
    assert read_state(runs / "one-at-2").steps_done == 2


async def test_marked_runs_are_compared(runs: Path) -> None:
    for seed in (0, 1):
        write_run(runs / f"a{seed}", f"seed={seed}", curve=(40, 60 + seed))
        write_run(runs / f"b{seed}", f"seed={seed}", "steering.mode=off", curve=(40, 50 + seed))
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: len(names(app)) == 4)
        await pilot.press("c")
        assert len(app.screen_stack) == 1  # of one there is nothing to compare
        await pilot.press("space", "space", "space", "space", "c")
        await until(lambda: isinstance(app.screen, ComparisonScreen))
        await until(lambda: "% points" in app.screen.query_one(TextView).plain)
        text = app.screen.query_one(TextView).plain
        assert "steering.mode=off (baseline)" in text and "+12.5" in text
        assert "Delete" not in keys_of(app) and "Back" in keys_of(app)
        await pilot.press("d", "space", "escape")
        await until(lambda: len(app.screen_stack) == 1)
        assert len(app.memory.marked) == 4


async def test_where_there_is_nothing_it_says_how_to_begin(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: "glov demo" in shown(app))
        assert "begins the demo" in shown(app) and "No runs in" in shown(app)
        await until(lambda: "Demo" in keys_of(app) and "Open" not in keys_of(app))
        await pilot.press("enter", "space", "d", "r", "f", "c")
        assert app.is_running and len(app.screen_stack) == 1
        await pilot.press("n")
        await until(lambda: app.opened is not None)
    assert app.opened is not None and app.opened.session is not None
    assert read_state(app.opened.folder).config is not None
    runs_now = [path.name for path in runs.iterdir()]
    assert runs_now == [app.opened.folder.name] and runs_now[0].startswith("demo-")
    monkeypatch.setenv("GLOV_RUNS_DIR", str(app.opened.folder / EVENTS))
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(80, 24)):
        await until(lambda: "runs can't be looked for there" in shown(app))


async def test_a_sweep_is_a_row_that_opens_as_one(runs: Path) -> None:
    open_sweep(runs / "modes", make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")]))
    write_run(runs / "modes" / "seed=0", curve=(40, 60))
    memory = HomeMemory.kept()
    app = HomeApp(memory)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: "1/2 runs" in shown(app))
        assert memory.neighbours() == ()
        await pilot.press("enter")
        await until(lambda: app.opened is not None)
    assert app.opened is not None and app.opened.session is None


@pytest.mark.parametrize(("took", "rest"), [(0.0, 0.5), (0.2, 2.0), (60.0, 5.0)])
def test_a_slow_first_look_does_not_leave_an_old_list(took: float, rest: float) -> None:
    assert rest_after(took, 0.5) == rest


async def test_keys_are_in_words_where_a_terminal_has_no_signs(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    app.set_class(True, "-ascii")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: "enter Open" in keys_of(app))
        assert keys_of(app).isascii()  # else ? Open, which is help
        await pilot.press("question_mark")
        await until(lambda: len(app.screen_stack) == 2)
        assert "enter" in app.screen.query_one(TextView).plain


async def test_help_has_the_keys_of_home(runs: Path) -> None:
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(100, 40)) as pilot:
        await until(lambda: "No runs in" in shown(app))
        await pilot.press("question_mark")
        await until(lambda: len(app.screen_stack) == 2)
        text = app.screen.query_one(TextView).plain
        assert "Mark this run" in text and "Delete the run's folder" in text
        assert "By steps, by minutes at work, by images scored" in text  # of the chart


def test_what_is_kept_may_be_anything(runs: Path, tmp_path: Path) -> None:
    runs.mkdir()
    kept = tmp_path / "cache" / "home.json"
    kept.parent.mkdir()
    here = str(runs.absolute())
    for text in (
        "",
        "[]",
        "{",
        '{"a": 1}',
        json.dumps({here: 3}),
        json.dumps({here: {"order": 4}}),
    ):
        kept.write_text(text)
        assert not HomeMemory.kept().marked and HomeMemory.kept().order == "newest"
    kept.write_text(json.dumps({here: {"marked": ["a", 3, None, "b"], "order": "name"}}))
    memory = HomeMemory.kept()
    assert [folder.name for folder in memory.marked] == ["a", "b"] and memory.order == "name"


@pytest.mark.parametrize("width", [40, 58, 78, 98, 118, 198])
def test_what_is_least_important_goes_first(width: int) -> None:
    run = ListedRun(
        Path("runs/a-run-with-a-rather-long-name-of-its-own"),
        "running",
        done=12,
        planned=1000,
        dataset="a-data-set-with-a-long-name",
        vlm="org/a-model-with-a-long-name",
        train_accuracy=0.9,
    )
    columns = HomeColumns.fitting(width, len(run.name), live=True)
    line = "".join(text for text, _ in row_line(run, columns, UNICODE, True, True))
    assert len(line) == sum(len(text) for text, _ in header(columns)) <= max(width, 44)
    assert columns.name >= (20 if width >= 60 else 4)
    if width == 198:
        assert columns.name == len(run.name) and columns.bar and columns.eta and columns.model
    listing = Listing((run,), unread=4000)
    spans = status_line(listing, [run], "newest", "", 3, width, ASCII)
    assert sum(len(text) for text, _ in spans) <= width
    assert "".join(text for text, _ in spans).replace("…", "").isascii()  # which the driver knows

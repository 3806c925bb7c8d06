"""Home: which rows are there, what they are called, and where the cursor is."""

from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing, list_runs
from engine.analysis.run_query import parse_query
from engine.common.ownership import user_name
from engine.storage.journal import read_state
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.home_lines import HomeColumns, detail_lines
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.common.glyphs import UNICODE
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line
from tests.support.home_screens import keys_of, names, shown, some_runs
from tests.support.patience import until
from tests.support.written_runs import write_run


async def test_on_the_way_to_a_form_the_list_is_never_empty(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        await pilot.press("slash")
        for letter in "-best>80":
            await pilot.press(letter)
            await until(lambda: app.memory.query.text or "what is to come" in shown(app))
            assert names(app)
        await until(lambda: set(names(app)) == {"one", "cut", "broken"})
        await pilot.press("escape", "slash", *"best")
        await until(lambda: app.memory.query.text == "best")
        assert len(names(app)) == 4
        await pilot.press("enter")  # it was meant so
        await until(lambda: "No run is so." in shown(app))


async def test_ages_are_looked_at_again_as_time_passes(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_runs(runs)
    memory = HomeMemory.kept()
    memory.query = parse_query("age<1h")
    app = HomeApp(memory)
    async with app.run_test(size=(120, 30)):
        await until(lambda: len(names(app)) == 3)  # of a damaged one none is known
        later = time.time() + 3700
        monkeypatch.setattr("time.time", lambda: later)
        await until(lambda: "No run is so." in shown(app))


async def test_the_cursor_goes_to_the_run_that_is_wanted_once_it_is_there(runs: Path) -> None:
    some_runs(runs)
    memory = HomeMemory.kept()
    memory.selected = runs / "late"
    app = HomeApp(memory)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: len(names(app)) == 4)
        write_run(runs / "late")
        await until(lambda: app.selected is not None and app.selected.name == "late")
        memory.selected = runs / "later"
        await pilot.press("down")  # a person decides otherwise
        wanted = app.selected
        write_run(runs / "later")
        await until(lambda: "later" in names(app))
        assert wanted is not None and app.selected is not None
        assert app.selected.folder == wanted.folder


@pytest.mark.parametrize("moves", [False, True])
async def test_while_runs_are_read_the_cursor_stays_on_top_or_where_it_was_put(
    runs: Path, moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write_run(runs / name)
    memory = HomeMemory.kept()
    memory.order = "name"
    *_, whole = memory.look()
    by_name = {run.name: run for run in whole.runs}
    memory.listing = None
    app = HomeApp(memory)
    monkeypatch.setattr(app, "look", lambda: iter(()))  # nothing is seen but what follows
    async with app.run_test(size=(80, 24)) as pilot:
        app._seen = Listing((by_name["b"], by_name["c"]), unread=1)
        app.draw_again()
        await until(lambda: names(app) == ["b", "c"])
        if moves:
            await pilot.press("down", "up")
        app._seen = whole
        app.draw_again()
        await until(lambda: names(app) == ["a", "b", "c"])
        assert app.selected is not None and app.selected.name == ("b" if moves else "a")


async def test_marks_of_runs_that_are_gone_offer_nothing(runs: Path) -> None:
    some_runs(runs)
    memory = HomeMemory.kept()
    for name in ("gone", "lost"):
        memory.marked[runs / name] = None
    app = HomeApp(memory)
    async with app.run_test(size=(160, 30)) as pilot:
        await until(lambda: len(names(app)) == 4 and "Mark" in keys_of(app))
        assert "Compare" not in keys_of(app) and "Unmark" not in keys_of(app)
        await pilot.press("space")
        await until(lambda: "1 marked" in shown(app) and "Unmark" in keys_of(app))


async def test_a_link_says_where_it_leads_and_only_it_is_deleted(
    runs: Path, tmp_path: Path
) -> None:
    target = write_run(tmp_path / "out" / "far")
    runs.mkdir()
    (runs / "near").symlink_to(target)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(160, 30)) as pilot:
        await until(lambda: f"a link to {target}" in shown(app))
        await pilot.press("d")
        await until(lambda: len(app.screen_stack) == 2)
        said = str(app.screen.query_one("Label").render())
        assert "Delete the link" in said and "What it leads to stays" in said
        await pilot.press("y")
        await until(lambda: "No runs in" in shown(app))
    assert read_state(target).status == "finished" and not any(runs.iterdir())


async def test_long_names_are_told_apart(runs: Path) -> None:
    for middle in ("left", "right"):
        write_run(runs / f"{'x' * 60}-{middle}-{'y' * 60}")
    write_run(runs / ("宽" * 20))
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(80, 24)):
        await until(lambda: len(names(app)) == 3)
        table = app.query_one(RowTable)
        await until(lambda: len({table.line(at)[:30] for at in range(3)}) == 3)


async def test_a_list_that_comes_or_goes_draws_on_nothing(runs: Path) -> None:
    some_runs(runs)
    for part in HomeApp.PARTS:
        app = HomeApp(HomeMemory.kept())
        async with app.run_test(size=(80, 24)):
            await until(lambda app=app: len(names(app)) == 4)
            await app.query(part).remove()
            app._pump()
            app.draw_again()


async def test_what_is_seen_first_is_drawn_at_once(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glov_tui.cockpit.runs.live_table.PUMP_SECONDS", 3600.0)
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    with app.memory._looking:  # what there is takes long to read
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert app.seen is None
            app.memory._looking.release()
            await until(lambda: len(names(app)) == 4)
            app.memory._looking.acquire()


async def test_details_fit_the_height_also_under_a_dialog(runs: Path) -> None:
    some_runs(runs)
    app = HomeApp(HomeMemory.kept())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: len(names(app)) == 4)
        details = app.query_one("#details")
        for height, lines in ((20, 2), (24, 4), (20, 2)):
            await pilot.resize_terminal(60, height)
            await until(lambda lines=lines: details.size.height == lines)
        await pilot.press("d")
        await until(lambda: len(app.screen_stack) == 2)
        for width, height in ((200, 50), (60, 20), (120, 40)):
            await pilot.resize_terminal(width, height)
            await until(lambda width=width: app.screen.size.width == width)
        await pilot.press("n")
        await until(lambda: len(app.screen_stack) == 1 and details.size.height == 4)
        assert len(names(app)) == 4 and not app.screen.has_class("-empty")


async def test_an_app_that_was_left_leaves_nothing_behind(runs: Path) -> None:
    """From run to run in one process: what each leaves there adds up."""
    some_runs(runs)
    memory, left = HomeMemory.kept(), []
    for _ in range(2):
        app = HomeApp(memory)
        async with app.run_test(size=(80, 24)):
            await until(lambda app=app: len(names(app)) == 4)
            left.append([weakref.ref(each._styles_cache) for each in app.query("*")])
        del app
    gc.collect()
    assert len(left[0]) > 5 and not any(each() for each in left[0])


def test_what_is_wrong_with_a_run_has_two_lines_where_it_needs_them() -> None:
    run = ListedRun(Path("runs/a"), "failed", search="glov", problem="no memory")
    plain = [text_of(line) for line in detail_lines(run, UNICODE, 60)]
    assert plain == ["a", "runs/a", "search glov", "no memory"]
    words = " ".join(f"word{number}" for number in range(16))  # 102 cells
    run = replace(run, problem=words)
    plain = [text_of(line) for line in detail_lines(run, UNICODE, 60)]
    assert plain[:2] == ["a", "runs/a"] and " ".join(plain[2:]) == words
    for problem in (words * 3, "x" * 200, "宽" * 100):
        plain = [text_of(line) for line in detail_lines(replace(run, problem=problem), UNICODE, 60)]
        assert len(plain) == 4 and all(cell_len(line) <= 60 for line in plain)
        assert plain[3].endswith("…")


def test_a_run_of_another_user_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "run")
    (mine,) = list_runs([str(folder)])
    assert mine.other_user is None
    monkeypatch.setattr("os.geteuid", lambda: 1 << 20)
    (theirs,) = list_runs([str(folder)])
    whose = f"(of {user_name(folder.stat().st_uid)})"
    assert text_of(detail_lines(theirs, UNICODE, 200)[1]) == f"{folder}  {whose}"


def test_whose_test_accuracy_a_run_has_is_said_below_the_list() -> None:
    run = ListedRun(Path("runs/a"), "finished", best_template="a <category>.")
    for best, ensemble, said in (
        (None, None, "best a <category>."),
        (0.811, None, "best (test 81.1) a <category>."),
        (0.811, 0.901, "best (test 81.1, ensemble's test 90.1) a <category>."),
    ):
        run = replace(run, best_test_accuracy=best, ensemble_test_accuracy=ensemble)
        assert text_of(detail_lines(run, UNICODE, 80)[3]) == said


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


def test_one_very_long_name_does_not_pull_the_columns_apart() -> None:
    assert HomeColumns.fitting(400, 250, live=True).name == 60
    assert HomeColumns.fitting(400, 50, live=True).name == 50

"""The runs folder, looked at again and again: what has not changed is not read."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing, RunWatch, list_runs, look_at
from engine.run import events as ev
from engine.storage.journal import Journal
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS
from engine.sweeps.driving import driving
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from tests.support.privileges import sealed
from tests.support.written_runs import write_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runs"
    monkeypatch.setenv("GLOV_RUNS_DIR", str(folder))
    return folder


def seen(watch: RunWatch) -> dict[str, ListedRun]:
    *_, last = watch.look()
    assert last.unread == 0
    return {run.name: run for run in last.runs}


def test_what_has_not_changed_is_the_same_and_no_journal_is_read_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("done", "cut", "broken", "goes-on"):
        write_run(runs / name, finished=name == "done")
    (runs / "broken" / EVENTS).write_text("{}\n")
    (runs / "no-run").mkdir()
    watch = RunWatch()
    first = seen(watch)
    assert {name: run.status for name, run in first.items()} == {
        "done": "finished",
        "cut": "interrupted",
        "broken": "damaged",
        "goes-on": "interrupted",
    }
    assert first["done"].dataset == "demo-cabinet" and first["done"].seed == 0
    assert first["done"].best_template == "template 2 of <category>"
    with monkeypatch.context() as patch:
        for name in ("read_summary", "is_begun", "JournalFollower", "is_driven"):
            patch.setattr(f"engine.storage.watched_run.{name}", None)
        again = seen(watch)
    assert all(again[name] is run for name, run in first.items())
    journal = Journal(runs / "goes-on")
    assert seen(watch)["goes-on"].status == "running"
    journal.append(ev.RunPaused(step=1))
    paused = seen(watch)["goes-on"]
    assert paused.status == "paused" and paused.state is not None and paused.is_under_way
    assert seen(watch)["goes-on"] is paused  # nothing new
    journal.close()
    assert seen(watch)["goes-on"].status == "interrupted"
    assert [run.status for run in list_runs() if run.name == "goes-on"] == ["interrupted"]


def test_runs_come_and_go(runs: Path) -> None:
    watch = RunWatch()
    assert list(watch.look()) == [Listing()]  # no folder yet
    write_run(runs / "a")
    assert set(seen(watch)) == {"a"}
    write_run(runs / "b")
    shutil.rmtree(runs / "a")
    assert set(seen(watch)) == {"b"}
    (runs / "b" / EVENTS).unlink()
    assert seen(watch) == {}
    shutil.rmtree(runs)
    runs.touch()
    *_, last = watch.look()
    assert last.problem is not None and "runs can't be looked for there" in last.problem


def test_the_first_look_gives_the_latest_runs_while_others_are_unread(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.analysis.run_list._AT_ONCE", 2)
    for name in ("one", "two", "three"):
        write_run(runs / name)
    for at, name in enumerate(("two", "three", "one")):
        for path in (runs / name, runs / name / EVENTS):
            os.utime(path, (10.0 + at, 10.0 + at))
    first, last = RunWatch().look()
    assert ([run.name for run in first.runs], first.unread) == (["one", "three"], 1)
    assert {run.name for run in last.runs} == {"one", "two", "three"} and not last.unread


def test_a_sweep_is_a_row_and_is_at_work_between_two_runs(runs: Path) -> None:
    open_sweep(runs / "modes", make_grid("demo", ["steps=2"], [parse_axis("seed=0:3")]))
    watch = RunWatch()
    assert seen(watch)["modes"].status == "interrupted"
    write_run(runs / "modes" / "seed=0", curve=(40, 72))
    row = seen(watch)["modes"]
    assert (row.done, row.planned, row.train_accuracy, row.dataset) == (1, 3, 0.9, "demo-cabinet")
    assert seen(watch)["modes"] is row
    with driving(runs / "modes", lambda name: None):
        assert seen(watch)["modes"].status == "running"


def test_a_run_of_another_host_is_believed(runs: Path) -> None:
    folder = write_run(runs / "far", finished=False)
    owner = {"pid": 7, "host": f"not-{socket.gethostname()}"}
    (folder / OWNER).write_text(json.dumps(owner))
    row = seen(RunWatch())["far"]
    assert row.status == "running" and row.owner is not None and row.owner.pid == 7


def test_a_run_and_links_to_it_are_one(runs: Path, tmp_path: Path) -> None:
    write_run(runs / "two")
    write_run(tmp_path / "out" / "far")
    open_sweep(runs / "modes", make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")]))
    links = {"a-link": runs / "two", "far-1": tmp_path / "out" / "far", "gone": runs / "no-more"}
    links |= {"far-2": links["far-1"], "loop": runs / "loop", "swept": runs / "modes"}
    for name, target in links.items():
        (runs / name).symlink_to(target)
    found = seen(RunWatch())
    assert set(found) == {"two", "far-1", "modes"}
    assert found["far-1"].leads_to == tmp_path / "out" / "far" and found["two"].leads_to is None
    assert {run.name for run in list_runs()} == {"two", "far-1", "modes"}
    assert [run.name for run in list_runs(["a-link"])] == ["a-link"]  # as it was asked for


def test_a_runs_folder_that_is_a_run_hides_none(runs: Path) -> None:
    write_run(runs)
    write_run(runs / "inner")
    assert set(seen(RunWatch())) == {"runs", "inner"}
    assert {run.name for run in list_runs()} == {"runs", "inner"}


def test_what_this_user_may_not_look_into_is_counted_or_said(runs: Path) -> None:
    for name in ("one", "two", "locked"):
        write_run(runs / name)
    watch = RunWatch()
    with sealed(runs / "locked", 0):
        *_, last = watch.look()
        assert {run.name for run in last.runs} == {"one", "two"} and last.denied == 1
        for names in ([], [str(runs)]):
            once = look_at(names)
            assert {run.name for run in once.runs} == {"one", "two"} and once.denied == 1
    assert set(seen(watch)) == {"one", "two", "locked"}
    with sealed(runs / "locked", 0):  # it was there before: it stays, and says why
        row = seen(watch)["locked"]
        assert row.status == "damaged" and "Permission denied" in (row.problem or "")
    with sealed(runs / "one" / EVENTS, 0):
        row = seen(RunWatch())["one"]
        assert row.status == "damaged" and "can't be read: Permission denied" in (row.problem or "")
    for mode in (0, 0o400, 0o100):
        with sealed(runs, mode):
            *_, last = watch.look()
            assert last.problem is not None and "can't be looked for there" in last.problem
    assert set(seen(watch)) == {"one", "two", "locked"}
    with sealed(runs, 0o500):  # read-only is enough
        assert set(seen(watch)) == {"one", "two", "locked"}


def test_a_sweep_that_can_not_be_looked_into_any_more_says_so(runs: Path) -> None:
    open_sweep(runs / "modes", make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")]))
    watch = RunWatch()
    seen(watch)
    with sealed(runs / "modes", 0):
        assert seen(watch)["modes"].status == "damaged"
    assert seen(watch)["modes"].status == "interrupted"


def test_a_run_elsewhere_is_listed_with_those_of_the_folder(runs: Path, tmp_path: Path) -> None:
    write_run(runs / "inside")
    outside = tmp_path / "elsewhere" / "outside"
    write_run(outside)
    watch = RunWatch()
    watch.elsewhere = dict.fromkeys((outside, runs / "inside", tmp_path / "none"))
    assert sorted(run.folder for run in list(watch.look())[-1].runs) == [
        outside,
        runs / "inside",
    ]
    shutil.rmtree(outside)
    assert set(seen(watch)) == {"inside"}

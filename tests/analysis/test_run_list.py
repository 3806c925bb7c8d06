"""What `glov runs` knows of the runs on the disk, from journals that are whole and that are not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.analysis.run_list import list_runs
from engine.common.errors import JournalError
from engine.run import events as ev
from engine.storage.journal import Journal
from engine.storage.run_folder import EVENTS, find_run
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from tests.support.privileges import sealed
from tests.support.sealing import resealed
from tests.support.written_runs import write_run


def append(folder: Path, *events: ev.Event) -> None:
    journal = Journal(folder)
    journal.append(*events)
    journal.close()


def test_every_state_is_told_from_the_journal_and_its_lock(tmp_path: Path) -> None:
    write_run(tmp_path / "finished")
    for name in ("interrupted", "stopped", "failed", "running", "paused", "was-paused"):
        write_run(tmp_path / name, finished=False)
    append(tmp_path / "stopped", ev.RunStopped(step=1))
    append(tmp_path / "failed", ev.RunFailed(message="no memory"))
    append(tmp_path / "paused", ev.RunPaused(step=1))
    append(tmp_path / "was-paused", ev.RunPaused(step=1))
    open_ones = [Journal(tmp_path / name) for name in ("running", "paused")]
    found = {run.folder.name: run for run in list_runs([str(tmp_path)])}
    for journal in open_ones:
        journal.close()
    assert {name: run.status for name, run in found.items()} == {
        "finished": "finished",
        "interrupted": "interrupted",
        "stopped": "stopped",
        "failed": "failed",
        "running": "running",
        "paused": "paused",
        "was-paused": "interrupted",
    }
    done = found["finished"]
    assert (done.done, done.planned, done.train_accuracy, done.ensemble_test_accuracy) == (
        2,
        2,
        0.75,
        0.75,
    )
    assert (found["running"].done, found["running"].ensemble_test_accuracy) == (1, None)
    assert found["failed"].problem == "no memory"


def test_the_latest_news_is_last(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_run(tmp_path / name, finished=False)
    append(tmp_path / "b", ev.RunStopped(step=1, time=time.time() + 60))
    assert [run.folder.name for run in list_runs([str(tmp_path)])] == ["a", "c", "b"]


def test_damaged_journals_are_one_line_each_and_hide_no_other(tmp_path: Path) -> None:
    for name in ("whole", "torn", "cut", "empty", "binary", "odd", "config"):
        write_run(tmp_path / name)
    text = (tmp_path / "whole" / EVENTS).read_bytes()
    lines = text.split(b"\n")
    (tmp_path / "torn" / EVENTS).write_bytes(text[:-5])
    (tmp_path / "cut" / EVENTS).write_bytes(b"\n".join([lines[0], lines[1][:9], *lines[2:]]))
    (tmp_path / "empty" / EVENTS).write_bytes(b"")
    (tmp_path / "binary" / EVENTS).write_bytes(b"\xff\x00\n" * 5)
    odd = text.replace(b'"n":960', b'"n":0').splitlines()
    (tmp_path / "odd" / EVENTS).write_bytes(resealed(odd))
    config = text.replace(b'"steps":2', b'"steps":"many"').splitlines()
    (tmp_path / "config" / EVENTS).write_bytes(resealed(config))
    found = {run.folder.name: run for run in list_runs([str(tmp_path)])}
    assert len(found) == 7
    assert found["whole"].status == "finished" and found["torn"].status == "interrupted"
    expected = {
        "cut": "line 2 of",
        "empty": "holds no event",
        "binary": "line 1 of 5",
        "odd": "line 4 of",
        "config": "steps",
    }
    for name, words in expected.items():
        assert found[name].status == "damaged"
        assert words in (found[name].problem or "")


def test_a_sweep_is_one_line(tmp_path: Path) -> None:
    grid = make_grid("demo", ["steps=2"], [parse_axis("seed=0:3")])
    sweep = open_sweep(tmp_path / "modes", grid)
    assert [run.status for run in list_runs([str(tmp_path)])] == ["interrupted"]
    for number, job in enumerate(sweep.jobs[:2]):
        write_run(job.folder, ensemble=600 + number * 60)
    (line,) = list_runs([str(tmp_path)])
    assert line.is_sweep and (line.done, line.planned) == (2, 3)
    assert line.status == "interrupted"
    assert (line.train_accuracy, line.ensemble_test_accuracy) == (0.75, 660 / 960)
    runs = list_runs([str(tmp_path / "modes")])  # named, it is a folder with runs
    assert [run.status for run in runs] == ["finished", "finished"]


def test_folders_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "none"))
    assert list_runs() == []
    with pytest.raises(JournalError, match="no such folder"):
        list_runs(["nothing"])


def test_a_long_run_takes_little_time(tmp_path: Path) -> None:
    write_run(tmp_path / "long", curve=[40 + i % 30 for i in range(100)])
    path = tmp_path / "long" / EVENTS
    lines = path.read_text().splitlines()
    scored = next(line for line in lines if "template 1 of" in line)
    replies = [scored.replace("template 1 of", f"reply {n} of") for n in range(1000)]
    text = [line.encode() for line in (*lines[:-3], *replies, *lines[-3:])]
    path.write_bytes(resealed(text))
    begun = time.perf_counter()
    assert [run.status for run in list_runs([str(path.parent)])] == ["finished"]
    assert time.perf_counter() - begun < 1.0


@pytest.mark.parametrize("kind", ["device", "file", "below a file", "loop"])
def test_a_runs_folder_that_is_none_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    folder = {"device": "/dev/null", "below a file": str(tmp_path / "file" / "runs")}.get(
        kind, str(tmp_path / kind)
    )
    monkeypatch.setenv("GLOV_RUNS_DIR", folder)
    for look in (list_runs, lambda: list_runs(["x"]), lambda: find_run("latest")):
        with pytest.raises(JournalError) as caught:
            look()
        said = str(caught.value)
        assert said.startswith(f"{folder}: runs can't be looked for there: ")
        assert "GLOV_RUNS_DIR names it; give another folder there, or unset it" in said
    run = write_run(tmp_path / "elsewhere")
    assert find_run(str(run)) == run  # a path needs no runs folder


def test_a_runs_folder_that_can_not_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    with sealed(tmp_path, 0), pytest.raises(JournalError, match="Permission denied"):
        list_runs()

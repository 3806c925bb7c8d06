"""Deleting runs: what is lost is named, what is at work stays, links are not followed."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path

import pytest

from engine.common.errors import JournalError
from engine.run import events as ev
from engine.storage.journal import Journal, read_state
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS
from engine.sweeps.deleting import delete, what_is_lost
from engine.sweeps.driving import driving
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from tests.support.privileges import sealed
from tests.support.written_runs import write_run


def refused(folder: Path, said: str) -> None:
    for act in (what_is_lost, delete):
        with pytest.raises(JournalError) as caught:
            act(folder)
        assert said in str(caught.value)
    assert folder.exists()


def test_a_run_goes_with_all_that_is_in_it_and_nothing_that_links_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("keep")
    run = write_run(tmp_path / "run")
    (run / "exports").mkdir()
    (run / "exports" / "run.html").write_text("x" * 100)
    (run / "notes.txt").write_text("a thought")
    (run / "there").symlink_to(outside)
    (run / "exports" / "more").symlink_to(outside)
    (run / "one").symlink_to(outside / "mine.txt")
    loss = what_is_lost(run)
    assert (loss.runs, loss.exports, loss.link) == (1, 1, None)
    assert loss.others == ("notes.txt", "one", "there")
    assert loss.bytes > 100 and loss.files >= 7
    delete(run)
    assert not run.exists()
    assert (outside / "mine.txt").read_text() == "keep"


def test_of_a_link_only_the_link_goes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "elsewhere" / "run")
    link = tmp_path / "link"
    link.symlink_to(run)
    assert what_is_lost(link).link == run
    delete(link)
    assert not os.path.lexists(link)
    assert read_state(run).status == "finished"


def test_what_is_at_work_stays(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", finished=False)
    journal = Journal(run)
    refused(run, "is being driven by")
    journal.abandon()
    (run / OWNER).write_text(json.dumps({"pid": 3, "host": f"not-{socket.gethostname()}"}))
    refused(run, "and not given back")
    (run / OWNER).write_text(json.dumps({"pid": 2**22, "host": socket.gethostname()}))  # it died
    delete(run)
    assert not run.exists()


def test_a_sweep_and_its_runs(tmp_path: Path) -> None:
    sweep = tmp_path / "modes"
    open_sweep(sweep, make_grid("demo", ["steps=2"], [parse_axis("seed=0:3")]))
    for seed in (0, 1):
        write_run(sweep / f"seed={seed}")
    with driving(sweep, lambda name: None):
        refused(sweep, "is at work on this sweep")
        refused(sweep / "seed=0", "is at work on this sweep")
    journal = Journal(sweep / "seed=1")
    refused(sweep, "is being driven by")
    journal.abandon()
    delete(sweep / "seed=0")
    loss = what_is_lost(sweep)
    assert (loss.runs, loss.others) == (1, ())
    delete(sweep)
    assert not sweep.exists()


def test_what_is_no_run_and_what_is_anothers_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    refused(tmp_path / "photos", "is no run and no sweep")
    run = write_run(tmp_path / "run")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    refused(run, "belongs to")


def test_a_deletion_that_is_cut_short_leaves_a_run_that_can_be_deleted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    (run / "deep").mkdir()

    def full(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("engine.sweeps.deleting.shutil.rmtree", full)
        with pytest.raises(JournalError, match=r"deep can't be deleted: Permission denied"):
            delete(run)
    assert (run / EVENTS).is_file()
    delete(run)
    assert not run.exists()


def test_a_run_that_holds_another_stays(tmp_path: Path) -> None:
    outer = write_run(tmp_path / "outer")
    inner = write_run(outer / "deep" / "inner", finished=False)
    journal = Journal(inner)  # it is at work, and no run of a sweep
    refused(outer, "has another run in it, deep/inner")
    journal.abandon()
    refused(outer, "has another run in it")
    sweep = tmp_path / "modes"
    open_sweep(sweep, make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")]))
    nested = write_run(write_run(sweep / "seed=0") / "again")
    refused(sweep, "has another run in it, seed=0/again")
    delete(nested)
    delete(sweep)
    delete(inner)
    delete(outer)
    assert not any(tmp_path.iterdir())


def test_without_locks_a_run_whose_owner_lives_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    run = write_run(tmp_path / "run", finished=False)
    monkeypatch.setattr("fcntl.flock", no_locks)
    (run / OWNER).write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    refused(run, "is being driven by")
    (run / OWNER).unlink()
    delete(run)
    assert not run.exists()


def test_what_changed_since_a_person_was_asked_stays(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", finished=False)
    agreed = what_is_lost(run)
    journal = Journal(run)  # taken up meanwhile, and left again
    journal.append(ev.RunPaused(step=2))
    journal.close()
    with pytest.raises(JournalError, match="has changed since you were asked"):
        delete(run, agreed)
    agreed = what_is_lost(run)
    run.rename(tmp_path / "kept")
    write_run(tmp_path / "run")
    with pytest.raises(JournalError, match="has changed since you were asked"):
        delete(run, agreed)
    delete(run, what_is_lost(run))
    assert (tmp_path / "kept" / EVENTS).is_file() and not run.exists()


@pytest.mark.parametrize("place", ["runs", "runs/run", "runs/run/exports"])
@pytest.mark.parametrize("mode", [0o500, 0o300])
def test_where_not_all_can_be_deleted_nothing_is(tmp_path: Path, place: str, mode: int) -> None:
    run = write_run(tmp_path / "runs" / "run")
    (run / "exports").mkdir()
    before = sorted(path.relative_to(run) for path in run.rglob("*"))
    if place == "runs" and mode == 0o300:
        return  # a folder that can't be listed does not keep what is in it
    with sealed(tmp_path / place, mode):
        refused(run, "Permission denied")
    assert sorted(path.relative_to(run) for path in run.rglob("*")) == before
    delete(run)
    assert not run.exists()

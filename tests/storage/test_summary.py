"""The summary beside a journal: it saves reading that, and never says otherwise."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.analysis.run_list import list_runs
from engine.common.errors import JournalError
from engine.common.kept import Kept
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.journal import Journal
from engine.storage.run_folder import EVENTS, SUMMARY
from engine.storage.summary import kept_summary, read_summary, summary_of_journal
from tests.support.small_runs import demo, drive
from tests.support.written_runs import write_run


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no journal is read."""

    def read(folder: Path) -> None:
        raise AssertionError(f"{folder} is read")

    monkeypatch.setattr("engine.storage.summary.read_journal", read)


def append(folder: Path, *events: ev.Event) -> None:
    journal = Journal(folder)
    journal.append(*events)
    journal.close()


def test_a_journal_is_read_once_and_again_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "run", finished=False)
    first = list_runs([str(tmp_path)])
    assert (folder / SUMMARY).stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as patch:
        unread(patch)
        assert list_runs([str(tmp_path)]) == first
    append(folder, ev.RunFailed(message="no memory"))
    (run,) = list_runs([str(tmp_path)])
    assert (run.status, run.problem, run.done) == ("failed", "no memory", 1)
    unread(monkeypatch)
    assert list_runs([str(tmp_path)]) == [run]


def test_what_a_run_leaves_when_it_ends_is_what_its_journal_says(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    assert drive(LocalSession.create(demo("steps=1"), folder, kept=kept)).status == "finished"
    found = kept_summary(folder)
    assert found is not None and found == summary_of_journal(folder)
    unread(monkeypatch)
    assert read_summary(folder) == found


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b'{"version": 2}', b"\xff\xfe", b"x" * 100_000, None],
    ids=["empty", "torn", "a list", "another version", "no UTF-8", "long", "numbers"],
)
def test_a_summary_that_is_damaged_is_none(tmp_path: Path, damaged: bytes | None) -> None:
    folder = write_run(tmp_path / "run")
    right = read_summary(folder)
    if damaged is None:
        said = json.loads((folder / SUMMARY).read_bytes())
        damaged = json.dumps(said | {"train_accuracy": 1e308}).encode()
    (folder / SUMMARY).write_bytes(damaged)
    assert read_summary(folder) == right
    assert kept_summary(folder) == right


def test_a_summary_is_never_written_through_a_link_and_a_pipe_is_not_waited_for(
    tmp_path: Path,
) -> None:
    folder = write_run(tmp_path / "run")
    other = tmp_path / "other"
    other.write_text("mine")
    (folder / SUMMARY).symlink_to(other)
    assert read_summary(folder).status == "finished"
    assert other.read_text() == "mine" and not (folder / SUMMARY).is_symlink()
    (folder / SUMMARY).unlink()
    os.mkfifo(folder / SUMMARY)
    assert read_summary(folder).status == "finished"


def test_a_journal_that_was_changed_within_is_read_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    read_summary(folder)
    text = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(text.replace(b"template 1", b"template 7"))
    with pytest.raises(JournalError, match="checksum does not match"):
        read_summary(folder)
    (run,) = list_runs([str(tmp_path)])
    assert run.status == "damaged"


def test_a_folder_that_can_not_be_written_is_listed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    write_run(tmp_path / "run")
    monkeypatch.setattr("engine.storage.summary.write_atomic", full)
    assert [run.status for run in list_runs([str(tmp_path)])] == ["finished"]
    assert not (tmp_path / "run" / SUMMARY).exists()


def test_folders_of_others_are_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "run")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    assert [run.status for run in list_runs([str(tmp_path)])] == ["finished"]
    assert not (tmp_path / "run" / SUMMARY).exists()


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), ValueError("odd")])
def test_whatever_is_wrong_with_one_run_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def read(folder: Path) -> object:
        if folder.name == "bad":
            raise error
        return read_summary(folder)

    for name in ("a", "bad", "z"):
        write_run(tmp_path / name)
    monkeypatch.setattr("engine.storage.watched_run.read_summary", read)
    found = {run.folder.name: run for run in list_runs([str(tmp_path)])}
    assert {name: run.status for name, run in found.items()} == {
        "a": "finished",
        "bad": "damaged",
        "z": "finished",
    }
    assert "glov check" in (found["bad"].problem or "")

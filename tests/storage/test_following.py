"""Following a journal: the state of what is whole, as it grows, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import JournalError
from engine.run.state import RunState
from engine.storage.following import JournalFollower
from engine.storage.journal import fold_journal, read_journal
from engine.storage.journal_lines import whole_lines
from engine.storage.run_folder import EVENTS
from tests.support.written_runs import write_run


def test_the_state_is_that_of_what_is_whole_wherever_it_ends(
    tmp_path: Path, undisturbed: Path
) -> None:
    data = (undisturbed / EVENTS).read_bytes()
    journal = tmp_path / EVENTS
    journal.touch()
    follower = JournalFollower(tmp_path)
    assert not follower.look() and follower.state == RunState()
    step = len(data) // 25 + 1  # in the middle of lines, and of appends of several
    for size in (*range(step, len(data), step), len(data)):
        journal.write_bytes(data[:size])
        seen = follower.look()
        lines, _ = whole_lines(data[:size])
        expected = fold_journal(tmp_path, read_journal(tmp_path).events) if lines else RunState()
        assert follower.state == expected
        assert seen or not lines or expected == RunState() or not follower.look()
    assert follower.state.status == "finished"
    assert not follower.look()


def test_another_journal_in_its_place_is_followed_from_its_beginning(tmp_path: Path) -> None:
    write_run(tmp_path / "a", curve=(40, 60))
    write_run(tmp_path / "b", curve=(50,), finished=False)
    follower = JournalFollower(tmp_path / "a")
    assert follower.look() and follower.state.steps_done == 2
    (tmp_path / "b" / EVENTS).replace(tmp_path / "a" / EVENTS)
    assert follower.look() and follower.state.steps_done == 1


def test_damage_is_named_by_its_line_also_in_what_is_new(tmp_path: Path) -> None:
    write_run(tmp_path, curve=(40, 60))
    whole = (tmp_path / EVENTS).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / EVENTS).write_bytes(b"".join(lines[:-1]))
    follower = JournalFollower(tmp_path)
    assert follower.look()
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(lines[-1].replace(b"run-finished", b"run-stopped"))
    with pytest.raises(JournalError, match=f"line {len(lines)} is damaged: "):
        follower.look()
    (tmp_path / EVENTS).unlink()
    with pytest.raises(JournalError, match="can't be read"):
        follower.look()


def test_a_journal_of_version_1_is_understood() -> None:
    old = Path(__file__).parent / "journals" / "version-1"
    follower = JournalFollower(old)
    assert follower.look()
    assert follower.state == fold_journal(old, read_journal(old).events)

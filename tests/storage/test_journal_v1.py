"""Journals of version 1 go on: one that was written by the code of then is read as it was.

``journals/version-1`` is a run with edits, an injection, a pause, a stop and a resume, and what
its fold was in the code that wrote it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.analysis.run_list import list_runs
from engine.common.errors import JournalError
from engine.common.kept import Kept
from engine.remote.messages import parse_message
from engine.run import events as ev
from engine.run.result import summarise
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.session.replay import ReplaySession
from engine.storage.fork import write_fork
from engine.storage.journal import Journal, read_journal, read_state
from engine.storage.journal_lines import unsealed
from engine.storage.run_folder import EVENTS
from engine.storage.run_record import read_record
from tests.support.small_runs import drive

VERSION_1 = Path(__file__).parent / "journals" / "version-1"
EXPECTED = json.loads((VERSION_1 / "expected.json").read_text())
LINES = (VERSION_1 / EVENTS).read_bytes().splitlines(keepends=True)


def known(state: RunState) -> dict[str, Any]:
    """What ``expected.json`` has of a state."""
    found = {
        "summary": summarise(state),
        "ranking": [
            [
                t.text,
                t.hits,
                t.n,
                t.margin,
                {name: (hits, n) for name, hits, n in state.class_hits(t)},
                [[p.step, p.attempt, p.candidate] for p in t.again],
                t.reply,
            ]
            for t in state.ranking
        ],
        "anchors": state.anchors,
        "pinned": sorted(state.pinned),
        "banned": sorted(state.banned),
        "steps": [e.comparable() for e in state.steps],
        "tests": [e.comparable() for e in state.tests],
        "edits": [e.comparable() for e in state.edits],
        "log": [line.text for line in state.log],
    }
    return json.loads(json.dumps(found))


def within(expected: Any, found: Any) -> Any:
    """``found`` without what a glov of later says beside what ``expected`` has."""
    if isinstance(expected, dict):
        return {key: within(expected[key], found[key]) for key in expected}
    if isinstance(expected, list) and len(expected) == len(found):
        return [within(one, other) for one, other in zip(expected, found, strict=True)]
    return found


def copied(folder: Path, lines: int | None = None, tail: bytes = b"") -> Path:
    folder.mkdir()
    (folder / EVENTS).write_bytes(b"".join(LINES[:lines]) + tail)
    return folder


def part_way() -> int:
    """How many lines there are up to the middle of step 2."""
    return next(n for n, line in enumerate(LINES) if b'"step-finished","step":1' in line) + 5


def test_all_that_was_known_is_known(tmp_path: Path) -> None:
    folder = copied(tmp_path / "run")
    content = read_journal(folder)
    assert content.version == 1
    assert within(EXPECTED, known(read_state(folder))) == EXPECTED
    assert all(e.comparable()["kind"] in LINES[n].decode() for n, e in enumerate(content.events))
    assert (folder / EVENTS).read_bytes() == b"".join(LINES)  # reading changes nothing


def test_its_ensembles_are_the_best_by_themselves(tmp_path: Path) -> None:
    state = read_state(copied(tmp_path / "run"))
    assert state.config is not None and state.config.evaluation.select == "top"
    assert {measured.selection for measured in state.tests} == {"top"}


def test_a_run_that_is_taken_up_is_rewritten_once_with_checksums(tmp_path: Path) -> None:
    folder = copied(tmp_path / "run", part_way(), b'{"torn')
    before = read_journal(folder)
    journal = Journal(folder)
    journal.make_appendable(before)
    journal.append(ev.Warned(message="goes on"))
    journal.close()
    after = read_journal(folder)
    assert (after.version, after.torn_bytes) == (2, 0)
    assert after.events[:-1] == before.events and after.events[-1].kind == "warned"
    lines = (folder / EVENTS).read_bytes().splitlines()
    assert all(unsealed(line)[1] is not None for line in lines)
    assert (folder / EVENTS).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [EVENTS]
    with pytest.raises(JournalError, match="replaced just now|has no checksum|being driven"):
        stale = Journal(copied(tmp_path / "other"))
        try:
            stale.append(ev.Warned(message="without being rewritten"))
        finally:
            stale.abandon()


def test_the_lock_is_held_on_the_file_that_was_written_anew(tmp_path: Path) -> None:
    folder = copied(tmp_path / "run")
    journal = Journal(folder)
    journal.make_appendable(read_journal(folder))
    with pytest.raises(JournalError, match="being driven"):
        Journal(folder)
    journal.close()
    Journal(folder).close()


def test_a_run_of_then_is_resumed_to_its_end(tmp_path: Path, kept: Kept) -> None:
    folder = copied(tmp_path / "run", part_way())
    begun = json.loads(LINES[0])
    begun["config"]["steps"] = 2
    text = (folder / EVENTS).read_text().replace("/glov/engine", str(Path(engine.__file__).parent))
    first = json.dumps(begun).replace("/glov/engine", str(Path(engine.__file__).parent))
    (folder / EVENTS).write_text(first + "\n" + text.partition("\n")[2])
    before = read_state(folder)
    state = drive(LocalSession.resume(folder, kept=kept))
    assert state.status == "finished", state.error
    assert any("was of version 1" in line.text for line in state.log)
    assert known(read_state(folder)) == known(state)
    seed = state.seed
    assert seed is not None and before.seed is not None
    assert state.class_hits(seed) == before.class_hits(before.seed)


def test_screens_that_attach_read_what_was_rewritten(tmp_path: Path) -> None:
    folder = copied(tmp_path / "run", part_way())
    before = read_state(folder)
    journal = Journal(folder)
    journal.make_appendable(read_journal(folder))
    journal.close()
    sent = (folder / EVENTS).read_bytes().splitlines()  # as the engine's socket sends it
    shown = RunState()
    for line in sent:
        shown = shown.apply(parse_message(line))
    assert known(shown) == known(before)


def test_every_reader_takes_it(tmp_path: Path) -> None:
    folder = copied(tmp_path / "run")
    write_fork(folder, 2, tmp_path / "fork")
    assert read_journal(tmp_path / "fork").version == 2
    assert read_state(tmp_path / "fork").steps_done == 2
    replay = ReplaySession.open(folder)
    replay.go_to_end()
    assert within(EXPECTED, known(replay.state)) == EXPECTED
    found = {run.folder.name: run for run in list_runs([str(tmp_path)])}
    assert found["run"].status == "finished" and found["run"].done == 4
    assert read_record(folder).finished


def test_damage_is_named_by_its_line_there_too(tmp_path: Path) -> None:
    hits = next(n for n, line in enumerate(LINES) if b'"template-scored"' in line)
    for number, (old, new) in enumerate(
        [
            (b'"hits":', b'"hits":-'),
            (b'"class_hits":{', b'"class_hits":{"no such class":[1,1],'),
            (b"{", b"{{"),
        ]
    ):
        folder = copied(tmp_path / f"run{number}")
        lines = [*LINES]
        lines[hits] = lines[hits].replace(old, new, 1)
        (folder / EVENTS).write_bytes(b"".join(lines))
        with pytest.raises(JournalError, match=f"line {hits + 1} of {len(LINES)} is damaged"):
            read_journal(folder)
        before = (folder / EVENTS).read_bytes()
        with pytest.raises(JournalError, match="damaged"):
            LocalSession.resume(folder)
        assert (folder / EVENTS).read_bytes() == before
    shutil.rmtree(tmp_path / "run0")

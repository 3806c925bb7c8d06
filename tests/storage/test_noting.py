"""Notes on runs that have ended: their journals stay what is taken up, replayed and checked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from engine.analysis.export.exported import read_exported
from engine.analysis.export.formats import FORMATS
from engine.common.errors import JournalError, UserError
from engine.common.kept import Kept
from engine.prompts.template import normalise
from engine.remote.noting import write_note
from engine.run.commands import Stop, WriteNote
from engine.run.result import summarise
from engine.session.local import LocalSession
from engine.session.replay import ReplaySession
from engine.storage.check import check_run
from engine.storage.fork import write_fork
from engine.storage.journal import Journal, read_journal, read_state
from engine.storage.noting import note_at_rest
from engine.storage.run_folder import EVENTS
from engine.storage.summary import read_summary
from tests.support.privileges import sealed
from tests.support.small_runs import demo, drive, outcome
from tests.support.written_runs import write_run

TEMPLATE = normalise("template 1 of <category>")
HOSTILE = "<script>alert(1)</script> \x1b]52;c;AAAA\x07 [b]| `x`"


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", curve=(40, 60, 50))


def note(folder: Path, text: str, **on: object) -> None:
    write_note(folder, WriteNote(text=text, author="ada", **on), "a test")


def test_a_finished_run_takes_notes_and_stays_finished_and_sound(ended: Path) -> None:
    before = summarise(read_state(ended))
    note(ended, "dim helps", template=TEMPLATE)
    note(ended, "the jump", step=2)
    note(ended, "the big jump", number=2)
    state = read_state(ended)
    assert state.status == "finished" and summarise(state) == before
    assert [n.text for n in state.notes] == ["dim helps", "the big jump"]
    found = check_run(ended)
    assert found.sound and not [f for f in found.findings if "summary" in f.where]
    summary = read_summary(ended)
    assert summary.status == "finished" and summary.last_event == state.notes[-1].changed_at
    assert not (ended / "owner.json").exists()


def test_a_note_is_refused_and_nothing_written(ended: Path) -> None:
    before = (ended / EVENTS).read_bytes()
    with pytest.raises(UserError, match="there is no step 9 yet"):
        note(ended, "x", step=9)
    assert (ended / EVENTS).read_bytes() == before
    note(ended, "but this one")


def test_a_journal_that_another_process_has_is_not_written(ended: Path) -> None:
    journal = Journal(ended)
    try:
        with pytest.raises(JournalError, match="is being driven by"):
            note_at_rest(ended, WriteNote(text="x"))
    finally:
        journal.close()


def test_a_torn_line_is_cut_first(ended: Path) -> None:
    with (ended / EVENTS).open("ab") as file:
        file.write(b'{"time":1,"kin')
    note(ended, "after the crash")
    assert not read_journal(ended).torn_bytes
    assert read_state(ended).notes[0].text == "after the crash"


def test_a_run_that_was_stopped_and_noted_on_goes_on_to_the_same_end(
    run_folder: Path, kept: Kept, undisturbed: Path
) -> None:
    session = LocalSession.create(demo(), run_folder, kept=kept)
    session.send(Stop())
    drive(session)
    note(run_folder, "a break")
    drive(LocalSession.resume(run_folder, kept=kept))
    assert outcome(run_folder) == outcome(undisturbed)
    assert [n.text for n in read_state(run_folder).notes] == ["a break"]


def test_a_replay_shows_notes_wherever_it_stands(ended: Path) -> None:
    note(ended, "dim helps", template=TEMPLATE)
    replay = ReplaySession.open(ended)
    replay.go_to(1)
    assert [n.text for n in replay.state.notes] == ["dim helps"]
    note(ended, "the jump", step=2)
    replay.reload()
    assert replay.step == 1 and len(replay.state.notes) == 2


def test_a_fork_has_the_notes_on_what_it_has(ended: Path, tmp_path: Path) -> None:
    note(ended, "dim helps", template=TEMPLATE)
    note(ended, "later", template=normalise("template 3 of <category>"))
    note(ended, "the jump", step=2)
    note(ended, "the end", step=3)
    note(ended, "all of it")
    write_fork(ended, 2, tmp_path / "fork")
    state = read_state(tmp_path / "fork")
    assert [n.text for n in state.notes] == ["dim helps", "the jump", "all of it"]
    assert check_run(tmp_path / "fork").sound


def test_a_folder_that_can_not_be_written_takes_none(ended: Path) -> None:
    with sealed(ended / EVENTS, 0o400), pytest.raises(JournalError, match="can't be written"):
        note(ended, "x")


def test_reports_and_exports_have_the_notes_and_no_harm(ended: Path) -> None:
    note(ended, HOSTILE, template=TEMPLATE)
    run = read_exported(ended)
    page = FORMATS["html"].load()(run)
    assert isinstance(page, str)
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page and 'id="notes"' in page
    markdown = FORMATS["md"].load()(run)
    assert isinstance(markdown, str)
    assert "## Notes" in markdown and "\x1b" not in markdown and "<script>" not in markdown
    document = FORMATS["json"].load()(run)
    assert isinstance(document, str) and "\x1b" not in document
    (row,) = json.loads(document)["notes"]
    assert (row["template"], row["text"]) == ("template 1 of <category>", HOSTILE)
    table = FORMATS["csv"].load()(run)
    assert isinstance(table, str) and "\x1b" not in table
    rows = {row["template"]: row["notes"] for row in csv.DictReader(io.StringIO(table))}
    assert rows.pop("template 1 of <category>").startswith("ada: <script>alert(1)")
    assert not any(rows.values())

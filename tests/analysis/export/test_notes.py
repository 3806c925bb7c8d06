"""The lab book in the report and the exports: each note with what it is on, who wrote it, when."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest

from engine.analysis.export.exported import Exported
from engine.analysis.export.writing import make_content
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.state import RunState
from tests.support.sessions import loaded, one_step

BEST = "A dim <category>."
AUTHOR, HOSTILE = "ada\x1b[31m", "dim helps\n<script>alert(1)</script> | `x`\x07"


@pytest.fixture
def run() -> Exported:
    events: list[ev.Event] = [
        *loaded(),
        *one_step(1, {BEST: 6}, BEST),
        ev.Noted(number=1, text=HOSTILE, template=normalise(BEST), author=AUTHOR),
        ev.Noted(number=2, text="slow", step=1),
        ev.Noted(number=3, text="for the paper", author="bob"),
        ev.Noted(number=2, text="slow, on a busy machine", step=1, author="bob"),
        ev.Noted(number=4, text="a mistake"),
        ev.Noted(number=4, text=""),
    ]
    return Exported(Path("run"), events, RunState().apply_all(events))


@pytest.mark.parametrize("form", ["html", "md"])
def test_pages_have_all_notes_and_obey_nothing_in_them(run: Exported, form: str) -> None:
    page = str(make_content(run, form))
    read = html.unescape(page)
    before, _, notes = read.partition("Notes")
    assert notes and "dim helps" not in before
    for said in ("dim helps", "alert(1)", "ada", "slow, on a busy machine", "for the paper", "bob"):
        assert said in notes, said
    assert "step 1" in notes and BEST in notes and "the run" in notes
    changed = notes.partition("changed")[2]
    assert re.match(r" [-0-9:UTC ]+ by `?bob", changed) and "changed" not in changed
    assert "a mistake" not in read
    assert not any(wrong in page for wrong in ("\x1b", "\x07"))
    assert form == "md" or "<script>alert" not in page


def test_json_has_all_notes_as_they_were_written(run: Exported) -> None:
    document = str(make_content(run, "json"))
    first, second, third = json.loads(document)["notes"]
    assert (first["template"], first["step"]) == (BEST, None)
    assert (first["text"], first["author"]) == (HOSTILE, AUTHOR)
    assert (second["step"], second["text"]) == (1, "slow, on a busy machine")
    assert second["changed_by"] == "bob" and second["changed_at"] >= second["time"]
    assert (third["template"], third["step"], third["changed_at"]) == (None, None, None)
    assert "\x1b" not in document and "\x07" not in document


def test_csv_has_the_notes_of_each_template(run: Exported) -> None:
    rows = {row["template"]: row for row in csv.DictReader(io.StringIO(make_content(run, "csv")))}
    said = rows[BEST]["notes"]
    assert "dim helps" in said and said.startswith("ada") and "\n" not in said
    assert [text for text, row in rows.items() if row["notes"]] == [BEST]

"""The whole result, and where its phrases come from, as one JSON document."""

from __future__ import annotations

import json

from typing_extensions import TypedDict

from engine.analysis.export.exported import Exported
from engine.analysis.phrase_rows import PhraseRow, phrase_rows
from engine.common.harmless import escape_json
from engine.common.record import Count, UnixTime
from engine.run.result import RunResult, summarise


class NoteRow(TypedDict):
    """What somebody noted."""

    step: Count | None  # that it is on
    template: str | None  # that it is on; neither: it is on the run
    text: str
    author: str
    time: UnixTime
    changed_at: UnixTime | None
    changed_by: str


class ExportedResult(RunResult):
    """The result of a run so far, with the phrases of its best templates."""

    phrases: list[PhraseRow]  # most worth first
    notes: list[NoteRow]  # the lab book, oldest first


def _notes(run: Exported) -> list[NoteRow]:
    return [
        {
            "step": note.step,
            "template": run.text_of(note.template) if note.template is not None else None,
            "text": note.text,
            "author": note.author,
            "time": note.time,
            "changed_at": note.changed_at,
            "changed_by": note.changed_by,
        }
        for note in run.state.notes
    ]


def write(run: Exported) -> str:
    """As ``ExportedResult``; what could hide or move a cursor is escaped."""
    so_far: RunResult = {**summarise(run.state), "status": run.status}
    result: ExportedResult = {**so_far, "phrases": phrase_rows(run.state), "notes": _notes(run)}
    return escape_json(json.dumps(result, indent=2, ensure_ascii=False)) + "\n"

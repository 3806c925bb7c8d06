"""The whole result, and where its phrases come from, as one JSON document."""

from __future__ import annotations

import json

from typing_extensions import TypedDict

from engine.analysis.export.exported import Exported
from engine.analysis.export.interventions import interventions_of
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


class InterventionRow(TypedDict):
    """What somebody did to the run."""

    step: Count  # from which it holds, or in which it was done
    kind: str  # edited, injected, not scored, pinned, unpinned, banned, allowed again
    what: str
    more: str  # a long text that was written: a meta-prompt, a task
    note: str  # what came of it
    author: str  # empty: a person at a screen
    reason: str


class ExportedResult(RunResult):
    """The result of a run so far, with the phrases of its best templates."""

    phrases: list[PhraseRow]  # most worth first
    interventions: list[InterventionRow]  # in the order in which they were done
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


def _interventions(run: Exported) -> list[InterventionRow]:
    return [
        {
            "step": one.step,
            "kind": one.kind,
            "what": one.what,
            "more": one.more,
            "note": one.note,
            "author": one.author,
            "reason": one.reason,
        }
        for one in interventions_of(run)  # what was tested is in ``asked_tests``
    ]


def write(run: Exported) -> str:
    """As ``ExportedResult``; what could hide or move a cursor is escaped."""
    so_far: RunResult = summarise(run.state, run.status)
    result: ExportedResult = {
        **so_far,
        "phrases": phrase_rows(run.state),
        "interventions": _interventions(run),
        "notes": _notes(run),
    }
    return escape_json(json.dumps(result, indent=2, ensure_ascii=False)) + "\n"

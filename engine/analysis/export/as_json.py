"""The whole result, and where its phrases come from, as one JSON document."""

from __future__ import annotations

import json

from engine.analysis.export.exported import Exported
from engine.analysis.phrase_rows import PhraseRow, phrase_rows
from engine.common.harmless import escape_json
from engine.run.result import RunResult, summarise


class ExportedResult(RunResult):
    """The result of a run so far, with the phrases of its best templates."""

    phrases: list[PhraseRow]  # most worth first


def write(run: Exported) -> str:
    """As ``ExportedResult``; what could hide or move a cursor is escaped."""
    so_far: RunResult = {**summarise(run.state), "status": run.status}
    result: ExportedResult = {**so_far, "phrases": phrase_rows(run.state)}
    return escape_json(json.dumps(result, indent=2, ensure_ascii=False)) + "\n"

"""The whole result as one JSON document."""

from __future__ import annotations

import json

from engine.analysis.export.exported import Exported
from engine.common.harmless import escape_json
from engine.run.result import summarise


def write(run: Exported) -> str:
    """As ``engine.run.result.RunResult``; what could hide or move a cursor is escaped."""
    document = json.dumps(summarise(run.state), indent=2, ensure_ascii=False)
    return escape_json(document) + "\n"

"""What a run does now: a journal alone can't tell one that goes on from one that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.run.state_facts import Status
from engine.storage.journal import is_driven

RunStatus = Literal["running", "paused", "stopped", "failed", "finished", "interrupted", "damaged"]
"""``running`` and ``paused`` by a live process; ``interrupted``: the journal ends in the middle,
and nobody drives the run; ``damaged``: its journal can't be read."""


def status_now(at_end: Status, folder: Path) -> RunStatus:
    """What a run does now whose journal ends so.

    Raises:
        JournalError: if the journal can't be opened.
    """
    match at_end:
        case "stopped" | "failed" | "finished":
            return at_end
        case "paused" if is_driven(folder):
            return "paused"
    return "running" if is_driven(folder) else "interrupted"

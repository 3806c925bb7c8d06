"""What a run does now: a journal alone can't tell one that goes on from one that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.run.state_facts import Status
from engine.storage.journal import is_driven
from engine.storage.run_folder import LOG, run_argument

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


def why_at_rest(folder: Path, at_end: Status) -> str:
    """Why a run that nobody drives can't be attached to, and what can be done with it."""
    name = run_argument(folder)
    if at_end == "finished":
        return (
            f"{folder} is finished: `glov resume {name}` shows the result, `glov replay {name}` "
            "how it went"
        )
    return (
        f"{folder}: no engine is at work on it; `glov resume {name}` goes on, `glov replay {name}` "
        "shows what was"
    )


def why_interrupted(folder: Path) -> str:
    """Why nobody drives a run any more whose engine has not said how it ended."""
    return (
        "the engine's process ended without a word: killed, or out of memory "
        f"({folder / LOG} may say more). Nothing is lost, `glov resume {run_argument(folder)}` "
        "goes on"
    )

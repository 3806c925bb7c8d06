"""Where runs are: the folder of all, each one's files, and how a run is named on a command line."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from engine.errors import JournalError
from engine.ownership import why_denied

EVENTS = "events.jsonl"
CONFIG = "config.toml"
LOG = "log.txt"
SOCKET = "control.sock"


def runs_folder() -> Path:
    """Where runs are kept: $GLOV_RUNS_DIR, or ./runs."""
    return Path(os.environ.get("GLOV_RUNS_DIR") or "runs")


def new_run_folder(name: str) -> Path:
    """A folder name for a new run: its name and the local time, made unique by a number."""
    base = runs_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 1
    while path.exists():
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def find_run(run: str) -> Path:
    """The folder of a run given by path, or by name within the runs folder.

    Raises:
        JournalError: if there is no such run.
    """
    for path in (Path(run).expanduser(), runs_folder() / run):
        try:
            if (path / EVENTS).is_file():
                return path
        except PermissionError as error:
            raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error
        except OSError:  # a name that is too long
            continue
    raise JournalError(
        f"{run}: no run there (no {EVENTS}); give a run's folder, or its name in {runs_folder()}/"
    )


def run_argument(folder: Path) -> str:
    """What to write on a command line for ``find_run`` to find this run; quoted for a shell."""
    in_runs = folder.parent == runs_folder()
    return shlex.quote(folder.name if in_runs else str(folder))

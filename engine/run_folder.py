"""Where runs are: the folder of all, each one's files, and how a run is named on a command line."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from engine.errors import ConfigError, JournalError
from engine.ownership import why_denied
from engine.user_path import environment_path, user_path

EVENTS = "events.jsonl"
CONFIG = "config.toml"
SUMMARY = "summary.json"
LOG = "log.txt"
SOCKET = "control.sock"

_LONGEST_NAME = 200
"""Bytes: what comes after a name, and a file's own name, have room in the 255 of most disks."""

_RESERVED = ("latest",)


def runs_folder() -> Path:
    """Where runs are kept: $GLOV_RUNS_DIR, or ./runs.

    Raises:
        UserError: if the variable names a home folder that is not there.
    """
    return environment_path("GLOV_RUNS_DIR") or Path("runs")


def check_name(name: str) -> None:
    """See that a run's name can begin the name of its folder.

    Raises:
        ConfigError: if it would lead out of the runs folder, or could not be typed or found there.
    """
    wrong = None
    if not name.isprintable():
        wrong = "has characters that can't be printed"
    elif not name.strip() or name != name.strip():
        wrong = "begins or ends with a space"
    elif "/" in name or "\\" in name:
        wrong = "has a slash"
    elif name.startswith((".", "-", "~")):
        wrong = f"begins with {name[0]}"
    elif len(name.encode()) > _LONGEST_NAME:
        wrong = f"has {len(name.encode())} bytes; {_LONGEST_NAME} is the most"
    elif name.lower() in _RESERVED:
        wrong = "is a word of the command line"
    if wrong is not None:
        raise ConfigError(
            f"name = {name!r}: it {wrong}, and it begins the name of the run's folder in "
            f"{runs_folder()}/; for a folder elsewhere give --run-dir"
        )


def new_run_folder(name: str) -> Path:
    """A folder name for a new run: its name and the local time, made unique by a number."""
    base = runs_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 1
    while os.path.lexists(path):
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def find_run(run: str) -> Path:
    """The folder of a run given by path, or by name within the runs folder.

    Raises:
        UserError: if there is no such run.
    """
    for path in (user_path(run), runs_folder() / run):
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

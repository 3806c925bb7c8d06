"""What a run may be called, and the folder that all runs are in."""

from __future__ import annotations

from pathlib import Path

from engine.common.errors import ConfigError
from engine.common.names import quoted
from engine.common.user_path import environment_path

LONGEST_NAME = 200
"""Bytes: what comes after a name, and a file's own name, have room in the 255 of most disks."""

LATEST = "latest"
"""On a command line: the run that was written to last."""


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
    elif len(name.encode()) > LONGEST_NAME:
        wrong = f"has {len(name.encode())} bytes; {LONGEST_NAME} is the most"
    elif name.lower() == LATEST:
        wrong = "is a word of the command line"
    if wrong is not None:
        raise ConfigError(
            f"name = {quoted(name)}: it {wrong}, and it begins the name of the run's folder in "
            f"{runs_folder()}/; for a folder elsewhere give --run-dir"
        )

"""Where runs are: the folder of all, each one's files, and how a run is named on a command line."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from engine.common.errors import JournalError
from engine.common.ownership import why_denied
from engine.common.user_path import environment_path, user_path
from engine.common.wording import counted
from engine.config.run_name import LATEST, runs_folder

EVENTS = "events.jsonl"
CONFIG = "config.toml"
SUMMARY = "summary.json"
LOG = "log.txt"
SOCKET = "control.sock"
PREDICTIONS = "predictions"
EXPORTS = "exports"  # that are to go nowhere else
QUIET = "quiet"  # there where nothing is to be told of the run: see ``storage.quiet``


def new_run_folder(name: str) -> Path:
    """A folder name for a new run: its name and the local time, made unique by a number."""
    base = runs_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 1
    while os.path.lexists(path):
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def find_folder(text: str, is_wanted: Callable[[Path], bool]) -> Path | None:
    """The folder that is named on a command line; None if there is none.

    It is named by its path, its name in the runs folder, the beginning of that name where no other
    wanted folder has the same, or ``latest``: the one there that was written to last.

    Args:
        text: as it was typed.
        is_wanted: whether a folder is of the kind that is looked for.

    Raises:
        JournalError: if several names begin like that, or a folder can't be read.
    """
    for path in (user_path(text), runs_folder() / text):
        try:
            if is_wanted(path):
                return path
        except PermissionError as error:
            raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error
        except OSError:  # a name that is too long
            continue
    if not text or "/" in text:
        return None
    found = [path for path in all_in_runs_folder() if text == LATEST or path.name.startswith(text)]
    found = [path for path in found if _is_wanted(path, is_wanted)]
    if text == LATEST:
        return max(found, key=_written, default=None)
    if len(found) > 1:
        names = sorted(path.name for path in found)
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise JournalError(f"{text}: several names in {runs_folder()}/ begin so: {shown}")
    return found[0] if found else None


def all_in_runs_folder() -> list[Path]:
    """What is in the runs folder, runs and others, in no order; nothing where it is not there yet.

    Raises:
        JournalError: if it is no folder or can't be read.
    """
    folder = runs_folder()
    try:
        found = list(folder.iterdir())
        os.stat(f"{folder}/.")  # noqa: PTH116 - one that can be listed, and not entered, is denied
        return found
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(
            f"{folder}: runs can't be looked for there: {why_denied(error, folder)}; {_the_runs()}"
        ) from error


def holds_run(folder: Path) -> bool:
    """Whether the folder is a run's, begun or not.

    Raises:
        OSError: if it can't be looked at.
    """
    return (folder / EVENTS).is_file()


def wanted_in_runs_folder(is_wanted: Callable[[Path], bool]) -> list[Path]:
    """Folders of this kind in the runs folder, by name; without those of others.

    Raises:
        JournalError: as ``all_in_runs_folder``.
    """
    return sorted(path for path in all_in_runs_folder() if _is_wanted(path, is_wanted))


def _the_runs() -> str:
    """What to do where the runs folder can't be used."""
    if environment_path("GLOV_RUNS_DIR") is not None:
        return "GLOV_RUNS_DIR names it; give another folder there, or unset it"
    return "set GLOV_RUNS_DIR to another folder"


def _is_wanted(path: Path, is_wanted: Callable[[Path], bool]) -> bool:
    try:
        return is_wanted(path)
    except OSError:  # somebody else's
        return False


def _written(folder: Path) -> float:
    """When a run or a sweep was written to last, Unix time in seconds."""
    try:
        return max(path.stat().st_mtime for path in (folder, folder / EVENTS) if path.exists())
    except OSError:
        return 0.0


def find_run(run: str) -> Path:
    """The folder of a run: see ``find_folder``.

    Raises:
        UserError: if there is no such run, or several may be meant.
    """
    folder = find_folder(run, holds_run)
    if folder is not None:
        return folder
    if run == LATEST:
        raise JournalError(f"there is no run in {runs_folder()}/ yet; `glov demo` makes one")
    within = _runs_within(run)
    if within:
        shown = ", ".join(map(str, within[:3])) + (", ..." if len(within) > 3 else "")
        raise JournalError(
            f"{run}: no run there (no {EVENTS}), but {counted(len(within), 'run')} in it, as a "
            f"sweep has them: give one of {shown}"
        )
    raise JournalError(
        f"{run}: no run there (no {EVENTS}); give a run's folder, its name in {runs_folder()}/ or "
        f"the beginning of it, or {LATEST}"
    )


def _runs_within(run: str) -> list[Path]:
    """The runs of a folder that is none itself, as of a sweep; by name."""
    for folder in (user_path(run), runs_folder() / run):
        try:
            found = sorted(path for path in folder.iterdir() if holds_run(path))
        except OSError:  # it is no folder, or another's
            continue
        if found:
            return found
    return []


def as_listed(folder: Path) -> Path:
    """The path by which the runs folder lists a run, however that was named: a run of a sweep as
    its sweep; where it is elsewhere, the path as it is.
    """
    base, real = runs_folder(), Path(os.path.realpath(folder))
    real_base = Path(os.path.realpath(base))
    if real_base in real.parents:
        return base / real.relative_to(real_base).parts[0]
    link = base / folder.name
    return link if os.path.realpath(link) == str(real) else folder


def run_argument(folder: Path) -> str:
    """What to write on a command line for ``find_run`` to find this run; quoted for a shell."""
    in_runs = folder.parent == runs_folder()
    return shlex.quote(folder.name if in_runs else str(folder))

"""All downloads of a data set, each to its place; what is there already is not got again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from engine.common.errors import DataError
from engine.common.files import make_folder, write_atomic
from engine.common.names import readable_name
from engine.common.ownership import why_denied
from engine.data.catalogue.entry import Download, Entry
from engine.data.fetching.download import download
from engine.data.fetching.unpacking import unpack

FOLDER = ".fetched"
"""Below the folder with the data sets: archives that are coming, and notes of what was unpacked."""

Progress = Callable[[str, int, int], None]
"""Takes a file's name, and how many bytes of it are there, of how many."""


def fetch(entry: Entry, base: Path, progress: Progress) -> list[str]:
    """Get what plain downloads get of a data set.

    Args:
        entry: the data set.
        base: the folder with the data sets; made where it is not there.
        progress: told now and then.

    Returns:
        A sentence on each download.

    Raises:
        DataError: if there is none, or one fails; what has come is kept, and the same call goes on.
    """
    if not entry.downloads:
        raise DataError(
            f"{entry.title}: no plain download gets it; `glov datasets {entry.name}` says what does"
        )
    notes = base / FOLDER
    try:
        make_folder(notes)
    except OSError as error:
        raise DataError(
            f"{readable_name(str(base))}: can't be written: {why_denied(error, base)}; choose "
            "another folder with --path or GLOV_DATA_DIR"
        ) from error
    return [_fetch(one, base, notes, progress) for one in entry.downloads]


def is_fetched(wanted: Download, base: Path) -> bool:
    """Whether this download was made, and what came of it is still there."""
    if not is_archive(wanted):
        return (base / wanted.into).is_file()
    try:
        paths = json.loads(_note(wanted, base / FOLDER).read_text())["paths"]
        return bool(paths) and all((base / path).exists() for path in paths)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_archive(wanted: Download) -> bool:
    """Whether it is unpacked."""
    return wanted.url.endswith((".tar", ".tgz", ".tar.gz", ".zip"))


def _fetch(wanted: Download, base: Path, notes: Path, progress: Progress) -> str:
    name = wanted.url.rpartition("/")[2]
    if is_fetched(wanted, base):
        return f"{name}: is there"

    def told(done: int, total: int) -> None:
        progress(name, done, total)

    if not is_archive(wanted):
        target = base / wanted.into
        make_folder(target.parent)
        download(wanted, target, told)
        return f"{name}: {readable_name(str(target))}"
    archive = notes / f"{_key(wanted)}-{name}"
    download(wanted, archive, told)
    try:
        placed = unpack(archive, base / wanted.into, strip=wanted.strip, inner=wanted.inner)
    except DataError:
        archive.unlink(missing_ok=True)  # it would fail again
        raise
    paths = [path.relative_to(base).as_posix() for path in placed]
    write_atomic(_note(wanted, notes), json.dumps({"url": wanted.url, "paths": paths[:100]}))
    archive.unlink(missing_ok=True)
    return f"{name}: unpacked into {readable_name(str(base / wanted.into))}"


def _note(wanted: Download, notes: Path) -> Path:
    return notes / f"{_key(wanted)}.json"


def _key(wanted: Download) -> str:
    return hashlib.sha256(wanted.url.encode()).hexdigest()[:16]

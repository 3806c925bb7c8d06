"""Data sets that a program writes: made once, at first use, into the cache folder.

A manifest in the folder has the hash of every file. It is looked through at every use, so that
a data set that was changed or half deleted is written anew and gives no wrong numbers.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.common.cache_folder import datasets_folder
from engine.common.errors import DataError
from engine.common.files import close_to_others, make_folder
from engine.common.ownership import why_denied

MANIFEST = "manifest.json"


def ensure_written(name: str, write: Callable[[Path], object], sources: Sequence[Path]) -> Path:
    """The folder of the generated data set ``name``, written now if it isn't there as it was.

    The folder's name carries a hash of ``sources``, the generator's own files, so a new version
    of the generator never reads what an old one wrote. The folder appears whole or not at all
    (written aside, then renamed); of several processes that write at once, one wins.

    Raises:
        DataError: if the cache folder can't be written.
    """
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    parent = datasets_folder()
    folder = parent / f"{name}-{version}"
    if is_as_written(folder):
        return folder
    try:
        make_folder(parent)
        close_to_others(parent)
        with _locked(parent), contextlib.ExitStack() as rest:
            if is_as_written(folder):  # another process was first
                return folder
            aside = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}-"))
            rest.callback(shutil.rmtree, aside, ignore_errors=True)
            if folder.exists():
                folder.rename(aside / "changed")
            fresh = aside / "fresh"
            fresh.mkdir(mode=0o755)
            write(fresh)
            (fresh / MANIFEST).write_text(json.dumps(_hashes(fresh), indent=0), encoding="utf-8")
            close_to_others(fresh, deep=True)
            with contextlib.suppress(OSError):  # where there are no locks, another was first
                fresh.rename(folder)
            if not is_as_written(folder):
                raise DataError(f"{folder}: can't be created")
    except OSError as error:
        raise DataError(
            f"{parent}: the data set {name} can't be written there: {why_denied(error, parent)}; "
            "set GLOV_CACHE_DIR to a folder that can be written"
        ) from error
    return folder


def changed(name: str) -> list[Path]:
    """Folders of the generated data set ``name``, of any version, that are not as written."""
    folders = sorted(datasets_folder().glob(f"{glob.escape(name)}-*"))
    return [folder for folder in folders if not is_as_written(folder)]


def is_as_written(folder: Path) -> bool:
    """Whether every file of a generated data set is there as it was written, and no other."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest == _hashes(folder))
    except (OSError, ValueError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    """Hash of each file in a folder, by path; hidden ones and the manifest left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.name != MANIFEST and not path.name.startswith(".") and path.is_file()
    }


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """As the only process that does; without a lock where the file system has none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

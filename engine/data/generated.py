"""Data sets that a program writes: made once, at first use, into the cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.data.cache_folder import cache_folder
from engine.errors import DataError
from engine.files import close_to_others, make_folder
from engine.ownership import why_denied


def ensure_written(name: str, write: Callable[[Path], object], sources: Sequence[Path]) -> Path:
    """The folder of the generated data set ``name``, written now if it isn't there.

    The folder's name carries a hash of ``sources``, the generator's own files, so a new version
    of the generator never reads what an old one wrote. The folder appears whole or not at all
    (written aside, then renamed); of several processes that write at once, one wins.

    Raises:
        DataError: if the cache folder can't be written.
    """
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    parent = cache_folder() / "datasets"
    folder = parent / f"{name}-{version}"
    if folder.is_dir():
        return folder
    aside: Path | None = None
    try:
        make_folder(parent)
        close_to_others(parent)
        aside = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}-"))
        write(aside)
        aside.chmod(0o755)
        close_to_others(aside, deep=True)
        with contextlib.suppress(OSError):  # another process was first: theirs is as good
            aside.rename(folder)
        if not folder.is_dir():
            raise DataError(f"{folder}: can't be created")
    except OSError as error:
        raise DataError(
            f"{parent}: the data set {name} can't be written there: {why_denied(error, parent)}; "
            "set GLOV_CACHE_DIR to a folder that can be written"
        ) from error
    finally:
        if aside is not None and aside.exists():
            shutil.rmtree(aside, ignore_errors=True)
    return folder

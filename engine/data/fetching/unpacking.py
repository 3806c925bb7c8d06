"""Archives of strangers: unpacked aside, within limits, and moved to their place when whole.

Files and folders only: a link or a device, or a path that leads out of the folder, is refused, as
is an archive that would take much more room than it has itself (images hardly shrink).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.common.errors import DataError
from engine.common.names import quoted, readable_name

_GROWS, _SPARE = 10, 2**27  # times its own bytes, and some more
_MOST = 3_000_000  # members
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class _Member:
    path: str
    size: int
    content: IO[bytes] | None  # of a folder none


def unpack(archive: Path, into: Path, *, strip: str = "", inner: str = "") -> list[Path]:
    """Unpack a tar or zip into a folder; what is there already stays.

    Args:
        archive: of any compression that Python knows.
        into: is made where it is not there.
        strip: folders that are left away in front of all paths; what is not in them is left out.
        inner: an archive in this one, unpacked where it lies.

    Returns:
        What was put at its place.

    Raises:
        DataError: naming the archive, and what in it is wrong; nothing is at its place then.
    """
    where = readable_name(archive.name)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".unpacking-") as aside:
            _unpack_to(archive, Path(aside), strip)
            if inner:
                nested = Path(aside) / inner
                if not nested.is_file():
                    raise DataError(f"{where}: there is no {inner} in it; it is another archive")
                _unpack_to(nested, nested.parent, "")
                nested.unlink()
            return list(_moved(Path(aside), into))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DataError(f"{where}: can't be unpacked: {error}") from error
    except RuntimeError as error:  # an encrypted zip
        raise DataError(f"{where}: can't be unpacked: {error}") from error
    except OSError as error:
        raise DataError(
            f"{readable_name(str(into))}: {where} can't be unpacked there: "
            f"{error.strerror or error}"
        ) from error


def _unpack_to(archive: Path, folder: Path, strip: str) -> None:
    where = readable_name(archive.name)
    own = archive.stat().st_size
    room = min(_GROWS * own + _SPARE, shutil.disk_usage(folder).free)
    taken = 0
    front = f"{strip}/" if strip else ""
    for number, member in enumerate(_members(archive, where)):
        path = _checked_path(where, member.path)
        taken += member.size
        if taken > room or number > _MOST:
            raise DataError(
                f"{where}: has {own:,} bytes and would take more than {room:,} (or has more than "
                f"{_MOST:,} members); not unpacked"
            )
        if not path.startswith(front) or _is_left_by_systems(path):
            continue
        target = folder / path.removeprefix(front)
        if member.content is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.content as content, target.open("wb") as file:
            left = member.size
            while chunk := content.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise DataError(f"{where}: {quoted(path)} is longer than the archive says")
                file.write(chunk)
    if not any(folder.iterdir()):
        raise DataError(f"{where}: there is nothing in it" + (f" below {strip}" if strip else ""))


def _members(archive: Path, where: str) -> Iterator[_Member]:
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"  # a tar may end in one
    if is_zip:
        with zipfile.ZipFile(archive) as packed:
            for about in packed.infolist():
                kind = stat.S_IFMT(about.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _no_file(where, about.filename)
                content = None if about.is_dir() else packed.open(about)
                yield _Member(about.filename, about.file_size, content)
        return
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined] # it would keep them all
            if member.isdir():
                yield _Member(member.name, 0, None)
            elif member.isreg():
                yield _Member(member.name, member.size, tar.extractfile(member))
            else:
                raise _no_file(where, member.name)


def _no_file(where: str, name: str) -> DataError:
    return DataError(
        f"{where}: {quoted(name)} is a link or a device; only files are unpacked, and nothing was"
    )


def _checked_path(where: str, name: str) -> str:
    """The path without ``./`` in front and ``/`` at the end.

    Raises:
        DataError: if it leads out of the folder.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts:
        raise DataError(
            f"{where}: {quoted(name)} leads out of the folder; it is a trap, and nothing was "
            "unpacked"
        )
    return "/".join(parts)


def _is_left_by_systems(path: str) -> bool:
    parts = path.split("/")
    return "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def _moved(aside: Path, into: Path) -> Iterator[Path]:
    """Put what was unpacked at its place: whole folders where there are none yet."""
    for path in sorted(aside.iterdir()):
        target = into / path.name
        if not os.path.lexists(target):
            with contextlib.suppress(OSError):
                path.chmod(0o755 if path.is_dir() else 0o644)
            path.rename(target)
            yield target
        elif path.is_dir() and target.is_dir() and not target.is_symlink():
            yield from _moved(path, target)
        else:
            yield target  # it was there

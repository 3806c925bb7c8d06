"""One file by HTTP: goes on where it was cut off, and takes no more than was announced.

What has come lies beside, as ``.part``, with a note of what the server said of it. It gets its name
when it is whole and its hash is right.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.common.errors import DataError
from engine.common.names import readable_name
from engine.data.catalogue.entry import Download

Progress = Callable[[int, int], None]
"""Takes how many bytes are there, of how many."""

_CHUNK = 2**20
_TRIES = 3  # of a connection that breaks
_SECONDS = 60  # without a byte
_CUT = (http.client.HTTPException, ConnectionError, TimeoutError)


def download(wanted: Download, file: Path, progress: Progress) -> None:
    """Get a file, unless it is there and right.

    Args:
        wanted: where from, and what is known of it.
        file: where to. Its folder must be there.
        progress: told now and then.

    Raises:
        DataError: saying what the server answered, or what is wrong with what it sent. What has
            come is kept, if it can be gone on with.
    """
    if file.is_file() and _why_wrong(wanted, file) is None:
        return
    part, note = file.with_name(f"{file.name}.part"), file.with_name(f"{file.name}.part.json")
    with _locked(part):
        for attempt in range(1, _TRIES + 1):
            try:
                _receive(wanted, part, note, progress)
                break
            except _CUT as error:
                if attempt == _TRIES:
                    raise DataError(
                        f"{wanted.url}: the connection broke {_TRIES} times "
                        f"({type(error).__name__}); what has come is kept, and the same command "
                        "goes on"
                    ) from error
        why = _why_wrong(wanted, part)
        if why is not None:
            part.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            raise DataError(f"{wanted.url}: {why}; it is not what is expected, and was deleted")
        part.replace(file)
        note.unlink(missing_ok=True)


def _receive(wanted: Download, part: Path, note: Path, progress: Progress) -> None:
    have = part.stat().st_size
    known = _note(note)
    if have and known.get("url") != wanted.url:
        have = 0
    headers = {"User-Agent": "glov", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if known.get("etag"):
            headers["If-Range"] = known["etag"]
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(_checked(wanted.url), headers=headers), timeout=_SECONDS
        )
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # all is there, or it is another file by now
            if have == known.get("total"):
                return
            part.write_bytes(b"")
            raise ConnectionError from error
        raise DataError(
            f"{wanted.url}: the server answers {error.code} {error.reason}; `glov datasets` with "
            "its name may say another way"
        ) from error
    except urllib.error.URLError as error:
        raise DataError(f"{wanted.url}: can't be reached: {error.reason}") from error
    with contextlib.closing(answer):
        _checked(answer.geturl())
        begin = _begin(answer, have)
        total = _total(wanted, answer, begin)
        note.write_text(
            json.dumps({"url": wanted.url, "etag": answer.headers.get("ETag"), "total": total})
        )
        room = shutil.disk_usage(part.parent).free
        if total - begin > room:
            raise DataError(
                f"{readable_name(str(part.parent))}: there is room for {room:,} bytes; "
                f"{total - begin:,} are to come"
            )
        _write(wanted, part, answer, begin, total, progress)


def _write(
    wanted: Download, part: Path, answer: Any, begin: int, total: int, progress: Progress
) -> None:
    done = begin
    try:
        with part.open("r+b") as file:
            file.truncate(begin)
            file.seek(begin)
            while chunk := answer.read(_CHUNK):
                if done + len(chunk) > total:
                    raise DataError(f"{wanted.url}: sends more than the {total:,} bytes announced")
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        raise DataError(
            f"{readable_name(str(part))}: can't be written: {error.strerror or error}"
        ) from error
    if done < total:
        raise ConnectionError


def _begin(answer: Any, have: int) -> int:
    """Where what comes begins; 0 where the server begins anew."""
    if answer.status != 206:
        return 0
    said = str(answer.headers.get("Content-Range", ""))
    if not said.startswith(f"bytes {have}-"):
        raise ConnectionError
    return have


def _total(wanted: Download, answer: Any, begin: int) -> int:
    """Bytes of the whole file, as announced.

    Raises:
        DataError: if nothing is announced or known, or the two differ.
    """
    length = answer.headers.get("Content-Length")
    announced = begin + int(length) if length and length.isdigit() else None
    if announced is None and wanted.bytes is None:
        raise DataError(f"{wanted.url}: the server doesn't say how much it sends; not taken")
    if announced is not None and wanted.bytes is not None and announced != wanted.bytes:
        raise DataError(
            f"{wanted.url}: announces {announced:,} bytes where {wanted.bytes:,} are expected; it "
            "is another file by now"
        )
    return announced if announced is not None else int(wanted.bytes or 0)


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: only http and https are followed")
    return url


def _why_wrong(wanted: Download, file: Path) -> str | None:
    """What is wrong with a file that is all there; None where nothing is known to be."""
    size = file.stat().st_size
    if wanted.bytes is not None and size != wanted.bytes:
        return f"it has {size:,} bytes in place of {wanted.bytes:,}"
    for kind, expected in (("md5", wanted.md5), ("sha256", wanted.sha256)):
        if expected:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, kind).hexdigest()
            if found != expected:
                return f"its {kind} is {found} in place of {expected}"
    return None


def _note(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[None]:
    try:
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(
                    f"{readable_name(str(part))}: another process is getting it"
                ) from None
            except OSError:
                pass  # a file system without locks
            yield
    except OSError as error:
        raise DataError(
            f"{readable_name(str(part))}: can't be written: {error.strerror or error}"
        ) from error

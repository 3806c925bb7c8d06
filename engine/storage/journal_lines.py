"""The lines of a journal: one fact each as JSON, with a checksum that runs on from line to line.

    {"kind":"step-started","time":1795860379.9,"step":1,"crc":"5f0c9a31"}

``crc`` is the last key: the CRC-32 of the line without it, begun with the one of the line before.
So a changed byte is noticed, and lines that are missing, doubled, moved or put in are as well.

Facts that belong together are one append. Each line of it but the last ends in a space, which JSON
passes over: more of the same append follows.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engine.common.errors import JournalError
from engine.common.validation import problem
from engine.run.events import Event, format_event, parse_event

MORE = b" "
"""Ends a line that another one of the same append follows."""

_SEAL_BYTES = len(b',"crc":"00000000"}')
_SEAL = re.compile(rb',"crc":"([0-9a-f]{8})"\} ?\Z')


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that is not as an engine wrote it. ``what`` is one clause, clean to show."""

    line: int  # from 1
    what: str


def sealed(events: Iterable[Event], crc: int, together: bool = True) -> tuple[bytes, int]:
    """The lines of facts, and the checksum of the last one.

    Args:
        events: the facts.
        crc: of the line before them, 0 at the beginning.
        together: whether they are one append, of which all are there or none.
    """
    lines = []
    for event in events:
        body = format_event(event).encode()
        crc = zlib.crc32(body, crc)
        lines.append(body[:-1] + b',"crc":"%08x"}' % crc)
    return (MORE + b"\n" if together else b"\n").join(lines) + b"\n", crc


def unsealed(line: bytes) -> tuple[bytes, int | None]:
    """A line without its checksum, and that; None where it has none."""
    seal = _SEAL.search(line, max(0, len(line) - _SEAL_BYTES - 1))
    if seal is None:
        return line, None
    return line[: seal.start()] + b"}", int(seal[1], 16)


def whole_lines(data: bytes) -> tuple[list[bytes], int]:
    """The lines of all appends that are whole, and how many bytes of a torn one follow them."""
    *lines, torn = data.split(b"\n")
    torn_bytes = len(torn)
    while lines and lines[-1].endswith(MORE) and unsealed(lines[-1])[1] is not None:
        torn_bytes += len(lines.pop()) + 1
    return lines, torn_bytes


def parse_lines(lines: Sequence[bytes], before: int = 0) -> Iterator[Event | Damage]:
    """What each line says, or what is wrong with it.

    ``before`` is the checksum of the line before them, 0 at the beginning.
    """
    for number, line in enumerate(lines, start=1):
        body, crc = unsealed(line)
        found = parse_body(body, number)
        if isinstance(found, Damage):
            yield found
        elif crc is None:
            yield Damage(number, "it has no checksum, so that it was not written by glov")
        elif crc != zlib.crc32(body, before):
            yield Damage(
                number,
                "its checksum does not match: it was changed, or lines before it are missing, "
                "doubled or moved",
            )
        else:
            yield found
        if crc is not None:
            before = crc  # as it says: those after it may be as they were


def parse_body(body: bytes, number: int) -> Event | Damage:
    """What a line without its checksum says, or what is wrong with it."""
    try:
        return parse_event(body)
    except ValidationError as error:
        return Damage(number, _problem(error))


def _problem(error: ValidationError) -> str:
    """What is wrong with a line; text of the line itself is escaped."""
    first = error.errors()[0]
    if first["type"] == "union_tag_invalid":
        return f"this glov knows no event of kind {first['ctx']['tag']!r}"
    place = ".".join(map(str, first["loc"][1:]))
    if not first["loc"] and first["type"] != "json_invalid":
        return "should be an object of JSON"
    return f"{place!r}: {problem(first)}" if place else problem(first)


def last_crc(path: Path, size: int) -> int:
    """The checksum of the last line of a file of this size, 0 of an empty one.

    Raises:
        JournalError: if it has none, or can't be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, size - _SEAL_BYTES - len(MORE) - 1))
            end = file.read()
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from error
    crc = unsealed(end[:-1])[1] if end.endswith(b"\n") else None
    if end and crc is None:
        raise JournalError(
            f"{path} can't be appended to, since its last line has no checksum: it is torn, "
            "damaged or of another version"
        )
    return crc or 0

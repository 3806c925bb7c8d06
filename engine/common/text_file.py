"""Text files that people write with whatever editor they have."""

from __future__ import annotations

import codecs
from pathlib import Path

from engine.common.errors import UserError

LONGEST = 1024 * 1024
"""Bytes. A longer file is taken for something else that was named by mistake."""

# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, error: type[UserError] = UserError, longest: int = LONGEST) -> str:
    """What a text file says: UTF-8, or UTF-16 or UTF-32 that is marked so; without the mark.

    Raises:
        UserError: of the class ``error``, if the file can't be read, is longer than ``longest``
            bytes or no such text; names the file, and the line that is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(longest + 1)
    except OSError as problem:
        raise error(f"{path} can't be read: {problem.strerror or problem}") from problem
    return decode_text(data, path, error, longest)


def decode_text(
    data: bytes, what: object, error: type[UserError] = UserError, longest: int = LONGEST
) -> str:
    """What bytes say, as ``read_text`` reads them; ``what`` is what they are of, for messages.

    Raises:
        UserError: as there.
    """
    if len(data) > longest:
        raise error(f"{what} can't be read: it is longer than {longest // 1024:,} KiB")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        raise error(f"{what} can't be read as text: {_where(data, encoding, problem)}") from None
    if "\0" in text:
        raise error(
            f"{what} can't be read as text: it has zero bytes. Save it as UTF-8, not as UTF-16 "
            "without a mark"
        )
    return text.replace("\r\n", "\n")


def _where(data: bytes, encoding: str, problem: UnicodeDecodeError) -> str:
    if encoding != "utf-8-sig":
        return f"it begins as {encoding.upper()} does and is none. Save it as UTF-8"
    line = data.count(b"\n", 0, problem.start) + 1
    return (
        f"line {line} has the byte 0x{data[problem.start]:02X}, which is no UTF-8. It may be "
        "Latin-1 or Windows-1252: save the file as UTF-8"
    )

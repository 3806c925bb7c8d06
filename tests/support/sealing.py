"""Journals that a test edits: with checksums that fit, as if an engine had written them so."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from engine.storage.journal_lines import unsealed


def resealed(lines: Iterable[bytes]) -> bytes:
    """The lines as a journal, each with the checksum of what it says now."""
    result, crc = b"", 0
    for line in lines:
        body = unsealed(line.rstrip(b"\n"))[0].rstrip()
        crc = zlib.crc32(body, crc)
        result += body[:-1] + b',"crc":"%08x"}\n' % crc
    return result

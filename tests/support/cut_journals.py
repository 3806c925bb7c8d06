"""Journals that end behind one of their appends, as a killed process leaves them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from engine.storage.run_folder import EVENTS


def appends(folder: Path) -> list[bytes]:
    """Of a journal, each with all of its lines."""
    found, append = [], b""
    for line in (folder / EVENTS).read_bytes().splitlines(keepends=True):
        append += line
        if not line.endswith(b" \n"):
            found.append(append)
            append = b""
    assert not append
    return found


def kinds(append: bytes) -> list[str]:
    return [json.loads(line)["kind"] for line in append.splitlines()]


def cut(folder: Path, count: int, to: Path) -> Path:
    shutil.copytree(folder, to)
    (to / EVENTS).write_bytes(b"".join(appends(folder)[:count]))
    return to

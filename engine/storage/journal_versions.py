"""Which version a journal is of, and whether this glov understands it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from engine.common.errors import JournalError
from engine.common.validation import problem
from engine.config.old import written_config
from engine.run.events import JOURNAL_VERSION, Event, RunStarted
from engine.storage.journal_lines import Damage, parse_body, parse_lines, unsealed
from engine.storage.journal_v1 import upgraded


def read_lines(path: Path, lines: Sequence[bytes]) -> tuple[int, Iterator[Event | Damage]]:
    """The version of a journal, and what each of its lines says or what is wrong with it.

    Raises:
        JournalError: if it is of a version that this glov does not know.
    """
    body, crc = unsealed(lines[0])
    version = _stated_version(body)
    if version == 1 and crc is None:
        bodies = enumerate(upgraded(lines), start=1)
        return 1, (parse_body(body, number) for number, body in bodies)
    if version not in (None, JOURNAL_VERSION) and crc in (None, zlib.crc32(body)):
        raise JournalError(
            f"{path} is a journal of version {version}; this glov reads version 1 to "
            f"{JOURNAL_VERSION}. Use the glov that wrote it"
        )
    return JOURNAL_VERSION, parse_lines(lines)


def check_head(path: Path, event: Event) -> None:
    """See that a first line is a run's beginning, with a configuration that this glov knows.

    Raises:
        JournalError: saying what is wrong with it.
    """
    if not isinstance(event, RunStarted):
        raise JournalError(f"{path}, line 1: a journal begins with run-started, not {event.kind}")
    try:
        written_config(event.config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        unknown = first["type"] == "extra_forbidden"
        what = f"it has no key {key!r}" if unknown else f"{key or 'config'!r}: {problem(first)}"
        version = event.versions.get("glov-tui")
        writer = f" (version {version!r})" if version else ""
        raise JournalError(
            f"{path}, line 1: this glov doesn't understand the run's configuration: {what}. Use "
            f"the glov that wrote it{writer}"
        ) from None


def _stated_version(line: bytes) -> int | None:
    """The version of the journal that a first line says; None where it says none."""
    try:
        version = json.loads(line)["journal_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, int) else None

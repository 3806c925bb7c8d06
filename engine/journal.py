"""A run on disk: its folder with config.toml and events.jsonl, one JSON line per fact.

The journal is only ever appended to. Each line is one ``write`` call, so that a process that is
killed leaves whole lines; a power cut may tear the last one, which is cut off when the run is
taken up again.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engine.config import RunConfig
from engine.config_file import format_config
from engine.errors import JournalError
from engine.events import JOURNAL_VERSION, Event, RunStarted, format_event, parse_event
from engine.files import make_private_folder, write_atomic

EVENTS = "events.jsonl"
CONFIG = "config.toml"
LOG = "log.txt"

_LOCK_TRIES, _LOCK_WAIT_SECONDS = 5, 0.01


def runs_folder() -> Path:
    """Where runs are kept: $GLOV_RUNS_DIR, or ./runs."""
    return Path(os.environ.get("GLOV_RUNS_DIR") or "runs")


def new_run_folder(name: str) -> Path:
    """A folder name for a new run: its name and the local time, made unique by a number."""
    base = runs_folder() / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 1
    while path.exists():
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def find_run(run: str) -> Path:
    """The folder of a run given by path, or by name within the runs folder.

    Raises:
        JournalError: if there is no such run.
    """
    for path in (Path(run).expanduser(), runs_folder() / run):
        if (path / EVENTS).is_file():
            return path
    raise JournalError(
        f"{run}: no run there (no {EVENTS}); give a run's folder, or its name in {runs_folder()}/"
    )


class Journal:
    """An open journal: ``append`` writes one fact and returns when the system has it."""

    def __init__(self, folder: Path) -> None:
        """Open the journal of a run to append to it, as the only process that does.

        Raises:
            JournalError: if another process has it open.
        """
        self.folder = folder
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(folder / EVENTS, flags, 0o600)
        if not self._lock():
            os.close(self._file)
            raise JournalError(f"{folder} is being driven by another process; stop that one first")

    def _lock(self) -> bool:
        """Whether this process has the journal for itself now, until it ends."""
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                time.sleep(_LOCK_WAIT_SECONDS)  # `is_driven` holds it for an instant
        return False

    @classmethod
    def create(cls, folder: Path, config: RunConfig) -> Journal:
        """Start a run's folder.

        Raises:
            UserError: if the folder can't be written, or holds a run already.
        """
        make_private_folder(folder)
        if (folder / EVENTS).exists():
            raise JournalError(
                f"{folder} holds a run already; take it up with `glov resume {folder}`, "
                "or give another --run-dir"
            )
        write_atomic(folder / CONFIG, format_config(config, comments=True))
        return cls(folder)

    def append(self, *events: Event) -> None:
        """Write facts, one line each, all of them or none.

        Raises:
            JournalError: if they can't be written in whole (disk full, folder gone).
        """
        lines = b"".join(format_event(event).encode() + b"\n" for event in events)
        try:
            written = os.write(self._file, lines)
            if written != len(lines):
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(28, "No space left on device")
        except OSError as error:
            raise JournalError(
                f"{self.folder / EVENTS}: can't be written: {error.strerror}. Free some space, "
                f"then take the run up with `glov resume {self.folder}`"
            ) from error

    def sync(self) -> None:
        """Wait until all facts are on the disk itself, safe from a power cut."""
        os.fsync(self._file)

    def close(self) -> None:
        """Sync and close; the journal can't be appended to afterwards."""
        self.sync()
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class JournalContent:
    """The facts of a journal, and how many bytes of a torn last line follow them."""

    events: tuple[Event, ...]
    torn_bytes: int


def is_driven(folder: Path) -> bool:
    """Whether a live process has the journal of this run open to append to it.

    Raises:
        JournalError: if the journal can't be opened.
    """
    try:
        file = os.open(folder / EVENTS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"{folder / EVENTS} can't be read: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def read_journal(folder: Path) -> JournalContent:
    """Read all facts. A torn last line is left out and counted, anything else wrong refused.

    Raises:
        JournalError: naming the file, line and what is wrong with it.
    """
    path = folder / EVENTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from error
    *lines, torn = data.split(b"\n")
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(parse_event(line))
        except ValidationError as error:
            what = error.errors()[0]["msg"]
            raise JournalError(
                f"{path}, line {number} of {len(lines)} is damaged: {what}. The run can't be "
                "taken up as it is; a copy cut before that line can"
            ) from None
        if number == 1:
            _check_head(path, events[0])
    if not events:
        raise JournalError(f"{path} holds no event; start the run anew in another folder")
    return JournalContent(tuple(events), len(torn))


def cut_torn_line(folder: Path, torn_bytes: int) -> None:
    """Remove what a power cut left of a last line, so that the journal can be appended to."""
    path = folder / EVENTS
    os.truncate(path, path.stat().st_size - torn_bytes)


def _check_head(path: Path, event: Event) -> None:
    if not isinstance(event, RunStarted):
        raise JournalError(f"{path}, line 1: a journal begins with run-started, not {event.kind}")
    if event.journal_version != JOURNAL_VERSION:
        raise JournalError(
            f"{path} is a journal of version {event.journal_version}; this glov reads version "
            f"{JOURNAL_VERSION}. Use the glov that wrote it"
        )

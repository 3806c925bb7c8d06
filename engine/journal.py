"""A run on disk: its folder with config.toml and events.jsonl, one JSON line per fact.

The journal is only ever appended to. Each append is one ``write`` call, so that a process that is
killed leaves whole lines; a power cut or a full disk may tear the last one, which is cut off when
the run is taken up again.

Facts that belong together are one append. Each line of it but the last ends in a space, which JSON
passes over: more of the same append follows. Where that is missing, the append was torn, and all
of it is cut off.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engine import run_lock
from engine.config import RunConfig
from engine.config_file import format_config
from engine.errors import JournalError
from engine.events import JOURNAL_VERSION, Event, RunStarted, format_event, parse_event
from engine.files import make_private_folder, open_private, sync_folder, write_atomic
from engine.ownership import why_denied
from engine.run_folder import CONFIG, EVENTS, run_argument
from engine.run_lock import Owner
from engine.state import RunState
from engine.versions import own_versions


def is_begun(folder: Path) -> bool:
    """Whether the folder holds a journal with at least one whole append."""
    try:
        with (folder / EVENTS).open("rb") as file:
            return any(line.endswith(b"\n") and not line.endswith(_MORE) for line in file)
    except OSError:
        return False


_MORE = b" \n"  # ends a line that another one of the same append follows


class Journal:
    """An open journal: ``append`` writes one fact and returns when the system has it."""

    def __init__(self, folder: Path) -> None:
        """Open the journal of a run to append to it, as the only process that does.

        Raises:
            JournalError: if another process has it open, or it can't be written.
        """
        self.folder = folder
        self.left_by: Owner | None = None  # a process that died while it drove the run
        self._broken: str | None = None  # why nothing can be appended any more
        try:
            self._file = open_private(folder / EVENTS)
        except OSError as error:
            raise JournalError(self._unwritable(error)) from error
        try:
            self.left_by = run_lock.take(folder, self._file)
            self.size = os.fstat(self._file).st_size
        except OSError as error:
            os.close(self._file)
            raise JournalError(self._unwritable(error)) from error
        except JournalError:
            os.close(self._file)
            raise

    @classmethod
    def create(cls, folder: Path) -> Journal:
        """Start a run's folder. What a process left that died before the first fact is no run.

        Raises:
            UserError: if the folder can't be written, or holds a run already.
        """
        make_private_folder(folder)
        journal = cls(folder)
        try:
            if is_begun(folder):
                raise JournalError(
                    f"{folder} holds a run already; take it up with `glov resume "
                    f"{run_argument(folder)}`, or give another --run-dir"
                )
            journal.cut(journal.size)
            sync_folder(folder.parent)
        except OSError as error:
            journal.abandon()
            raise JournalError(journal._unwritable(error)) from error
        except JournalError:
            journal.abandon()
            raise
        return journal

    @classmethod
    def begin(cls, config: RunConfig, folder: Path) -> Journal:
        """Start a run: its folder and its first fact, for whoever drives it.

        Raises:
            UserError: as ``create``.
        """
        journal = cls.create(folder)
        begun = config.model_dump(mode="json")
        try:
            journal.append(RunStarted(run=folder.name, config=begun, versions=own_versions()))
            journal.sync()
        except BaseException:
            journal.abandon()
            raise
        return journal

    def write_config(self, config: RunConfig) -> None:
        """Put the configuration that the run began with beside the journal, for people to read.

        Raises:
            JournalError: if it can't be written.
        """
        try:
            write_atomic(self.folder / CONFIG, format_config(config, comments=True))
        except OSError as error:
            raise JournalError(self._unwritable(error)) from error

    def append(self, *events: Event) -> None:
        """Write facts, one line each, all of them or none: also where the write is torn.

        Raises:
            JournalError: if they can't be written in whole (disk full, folder gone). What was
                written of them is taken back, so that the next line begins on its own.
        """
        if self._broken is not None:
            raise JournalError(self._broken)
        lines = _MORE.join(format_event(event).encode() for event in events) + b"\n"
        left = memoryview(lines)
        try:
            while left:  # the system writes less where the disk is full, and says so the next time
                left = left[os.write(self._file, left) :]
        except OSError as error:
            message = self._unwritable(error)
            try:
                os.ftruncate(self._file, self.size)
            except OSError:
                self._broken = message  # a torn line is last, or it would look like damage
            raise JournalError(message) from error
        self.size += len(lines)

    def cut(self, torn_bytes: int) -> None:
        """Remove what is left of a torn last append, so that the journal can be appended to.

        Raises:
            JournalError: if the file can't be changed.
        """
        try:
            os.ftruncate(self._file, self.size - torn_bytes)
        except OSError as error:
            raise JournalError(self._unwritable(error)) from error
        self.size -= torn_bytes

    def sync(self) -> None:
        """Wait until all facts are on the disk itself, safe from a power cut.

        Raises:
            JournalError: if the disk did not take them.
        """
        try:
            os.fsync(self._file)
        except OSError as error:
            # What of it is on the disk is unknown, and asking again would not tell.
            self._broken = self._unwritable(error)
            raise JournalError(self._broken) from error

    def close(self) -> None:
        """Sync, close and give the run back; the journal can't be appended to afterwards.

        Raises:
            JournalError: as ``sync``; it is closed all the same.
        """
        try:
            self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without a sync, and give the run back; whatever happens, the lock is gone."""
        run_lock.give_back(self.folder)
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _unwritable(self, error: OSError) -> str:
        return (
            f"{self.folder / EVENTS}: can't be written: {why_denied(error, self.folder / EVENTS)}. "
            f"See to {_what_to_see_to(error)}, then take the run up with `glov resume "
            f"{run_argument(self.folder)}`"
        )


@dataclass(frozen=True, slots=True)
class JournalContent:
    """The facts of a journal, and how many bytes of a torn last append follow them."""

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
        path = folder / EVENTS
        raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error
    try:
        return run_lock.is_taken(file)
    finally:
        os.close(file)


def read_journal(folder: Path) -> JournalContent:
    """Read all facts. A torn last append is left out and counted, anything else wrong refused.

    Raises:
        JournalError: naming the file, line and what is wrong with it.
    """
    path = folder / EVENTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error
    lines, torn_bytes = _whole_lines(data)
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(parse_event(line))
        except ValidationError as error:
            raise JournalError(
                f"{path}, line {number} of {len(lines)} is damaged: {_problem(error)}. The run "
                "can't be taken up as it is; a copy cut before that line can"
            ) from None
        if number == 1:
            _check_head(path, events[0])
    if not events:
        raise JournalError(
            f"{path} holds no event: the run ended before it began. Start it anew; the same "
            "folder will do"
        )
    return JournalContent(tuple(events), torn_bytes)


def _whole_lines(data: bytes) -> tuple[list[bytes], int]:
    """The lines of all appends that are whole, and how many bytes of a torn one follow them."""
    *lines, torn = data.split(b"\n")
    torn_bytes = len(torn)
    while lines and lines[-1].endswith(b" "):
        torn_bytes += len(lines.pop()) + 1
    return lines, torn_bytes


def read_state(folder: Path) -> RunState:
    """The state that a run's journal leads to; a torn last line is left out.

    Raises:
        JournalError: as ``read_journal`` and ``journal_states``.
    """
    return fold_journal(folder, read_journal(folder).events)


def fold_journal(folder: Path, events: Sequence[Event]) -> RunState:
    """The state that the facts of a journal lead to; see ``journal_states``."""
    return collections.deque(journal_states(folder, events), maxlen=1)[0]


def journal_states(folder: Path, events: Sequence[Event]) -> Iterator[RunState]:
    """The state after each fact of a journal.

    Raises:
        JournalError: naming the line that can't follow those before it.
    """
    state = RunState()
    for number, event in enumerate(events, start=1):
        try:
            state = state.apply(event)
        except Exception as error:  # a journal may hold anything: others can have written it
            raise JournalError(
                f"{folder / EVENTS}, line {number} of {len(events)}: {event.kind} can't be here: "
                f"{str(error) or type(error).__name__!r}. The run can't be taken up as it is; a "
                "copy cut before that line can"
            ) from None
        yield state


def _what_to_see_to(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
    return "the disk and its free space" if full else "that"


def _problem(error: ValidationError) -> str:
    """What is wrong with a line; text of the line itself is escaped."""
    first = error.errors()[0]
    if first["type"] == "union_tag_invalid":
        return f"this glov knows no event of kind {first['ctx']['tag']!r}"
    place = ".".join(map(str, first["loc"][1:]))
    return f"{place!r}: {first['msg']}" if place else first["msg"]


def _check_head(path: Path, event: Event) -> None:
    if not isinstance(event, RunStarted):
        raise JournalError(f"{path}, line 1: a journal begins with run-started, not {event.kind}")
    if event.journal_version != JOURNAL_VERSION:
        raise JournalError(
            f"{path} is a journal of version {event.journal_version}; this glov reads version "
            f"{JOURNAL_VERSION}. Use the glov that wrote it"
        )
    try:
        RunConfig.model_validate(event.config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        unknown = first["type"] == "extra_forbidden"
        what = f"it has no key {key!r}" if unknown else f"{key or 'config'!r}: {first['msg']}"
        version = event.versions.get("glov-tui")
        writer = f" (version {version!r})" if version else ""
        raise JournalError(
            f"{path}, line 1: this glov doesn't understand the run's configuration: {what}. Use "
            f"the glov that wrote it{writer}"
        ) from None

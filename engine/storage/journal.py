"""A run on disk: its folder with config.toml and events.jsonl, one JSON line per fact.

The journal is only ever appended to. Each append is one ``write`` call, so that a process that is
killed leaves whole lines; a power cut or a full disk may tear the last one, which is cut off when
the run is taken up again. Facts that belong together are one append: where a part of it is missing
all of it is cut off. ``engine.storage.journal_lines`` says what a line looks like.

A journal of an older version is rewritten as one of this version, once, when its run is taken up.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.common.collecting import uncollected
from engine.common.errors import JournalError
from engine.common.files import make_private_folder, open_private, sync_folder, write_atomic
from engine.common.ownership import why_denied
from engine.common.versions import own_versions
from engine.config import RunConfig
from engine.config.toml_file import format_config
from engine.run.events import JOURNAL_VERSION, Event, RunStarted
from engine.run.state import RunState
from engine.storage import lock as run_lock
from engine.storage.journal_guard import JournalGuard
from engine.storage.journal_lines import MORE, Damage, last_crc, sealed, whole_lines
from engine.storage.journal_versions import check_head, read_lines
from engine.storage.lock import Owner
from engine.storage.run_folder import CONFIG, EVENTS, run_argument


def is_begun(folder: Path) -> bool:
    """Whether the folder holds a journal with at least one whole append."""
    try:
        with (folder / EVENTS).open("rb") as file:
            return any(line.endswith(b"\n") and not line.endswith(MORE + b"\n") for line in file)
    except OSError:
        return False


class Journal:
    """An open journal: ``append`` writes one fact and returns when the system has it."""

    def __init__(self, folder: Path, gone: Owner | None = None) -> None:
        """Open the journal of a run to append to it, as the only process that does.

        ``gone`` is a process that is known to be dead, on whatever host.

        Raises:
            JournalError: if another process has it open, or it can't be written.
        """
        self.folder = folder
        self.left_by: Owner | None = None  # a process that died while it drove the run
        self._broken: str | None = None  # why nothing can be appended any more
        self._crc: int | None = None  # of the last line; None before that is looked at
        try:
            self._file = open_private(folder / EVENTS)
        except OSError as error:
            raise JournalError(self._unwritable(error)) from error
        try:
            self.left_by = run_lock.take(folder, self._file, gone)
            self.size = os.fstat(self._file).st_size
            self._guard = JournalGuard(folder / EVENTS, self._file)
            if self._guard.deleted:  # since it was opened
                raise JournalError(f"{folder / EVENTS} was replaced just now; try again")
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
            JournalError: if they can't be written in whole (disk full, folder gone), or others
                have changed the file. What was written of them is taken back, so that the next
                line begins on its own.
        """
        self._check_untouched()
        if self._crc is None:
            self._crc = last_crc(self.folder / EVENTS, self.size)
        lines, crc = sealed(events, self._crc)
        try:
            _write(self._file, lines)
        except OSError as error:
            message = self._unwritable(error)
            try:
                os.ftruncate(self._file, self.size)
            except OSError:
                self._broken = message  # a torn line is last, or it would look like damage
            raise JournalError(message) from error
        self.size += len(lines)
        self._crc = crc

    def make_appendable(self, content: JournalContent) -> None:
        """Have the journal go on after what was read of it: without a torn end, in this version.

        Raises:
            JournalError: if the file can't be changed.
        """
        if content.version != JOURNAL_VERSION:
            self._rewrite(content.events)
        elif content.torn_bytes:
            self.cut(content.torn_bytes)

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
        self._crc = None

    def sync(self) -> None:
        """Wait until all facts are on the disk itself, safe from a power cut.

        Raises:
            JournalError: if the disk did not take them, or others have changed the file.
        """
        self._check_untouched()
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

    def _check_untouched(self) -> None:
        """See that nobody else has deleted, replaced, cut or written the file.

        Raises:
            JournalError: saying what was done to it; from then on always, and for whatever it is
                that nothing can be appended any more.
        """
        if self._broken is None:
            try:
                self._broken = self._guard.problem(self.size)
            except OSError as error:
                self._broken = self._unwritable(error)
        if self._broken is not None:
            raise JournalError(self._broken)

    def _rewrite(self, events: Sequence[Event]) -> None:
        """Put a journal with these facts in place of the file, whole or not at all.

        The lock goes over to the new file before that has its name.
        """
        path = self.folder / EVENTS
        aside = path.with_name(f".{EVENTS}.{os.getpid()}")
        try:
            aside.unlink(missing_ok=True)
            file = open_private(aside)
            try:
                run_lock.lock(file)
                lines, crc = sealed(events, 0, together=False)
                _write(file, lines)
                os.fsync(file)
                aside.replace(path)
                sync_folder(self.folder)
                os.dup2(file, self._file, inheritable=False)
                self._guard = JournalGuard(path, self._file)
            finally:
                os.close(file)
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(self._unwritable(error)) from error
        self.size, self._crc = len(lines), crc

    def _unwritable(self, error: OSError) -> str:
        return (
            f"{self.folder / EVENTS}: can't be written: {why_denied(error, self.folder / EVENTS)}. "
            f"See to {_what_to_see_to(error)}, then take the run up with `glov resume "
            f"{run_argument(self.folder)}`"
        )


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:  # the system writes less where the disk is full, and says so the next time
        left = left[os.write(descriptor, left) :]


@dataclass(frozen=True, slots=True)
class JournalContent:
    """The facts of a journal, and how many bytes of a torn last append follow them."""

    events: tuple[Event, ...]
    torn_bytes: int
    version: int = JOURNAL_VERSION  # of the file; the facts are always those of this one


def is_driven(folder: Path, gone: Owner | None = None) -> bool:
    """Whether a live process has the journal of this run open to append to it.

    One of another host is believed until it gives the run back, unless it is ``gone``.

    Raises:
        JournalError: if the journal can't be opened.
    """
    try:
        file = os.open(folder / EVENTS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        path = folder / EVENTS
        raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error
    try:
        return run_lock.is_taken(folder, file, gone)
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
    lines, torn_bytes = whole_lines(data)
    if not lines:
        raise JournalError(
            f"{path} holds no event: the run ended before it began. Start it anew; the same "
            "folder will do"
        )
    version, found = read_lines(path, lines)
    events: list[Event] = []
    for event in found:
        if isinstance(event, Damage):
            raise JournalError(
                f"{path}, line {event.line} of {len(lines)} is damaged: {event.what}. The run "
                "can't be taken up as it is; a copy cut before that line can"
            )
        if not events:
            check_head(path, event)
        events.append(event)
    return JournalContent(tuple(events), torn_bytes, version)


def read_state(folder: Path) -> RunState:
    """The state that a run's journal leads to; a torn last line is left out.

    Raises:
        JournalError: as ``read_journal`` and ``journal_states``.
    """
    with uncollected():
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

"""What a list of runs shows of one, kept beside its journal so that it need not be read again.

A summary holds as long as the journal has the size and the time of change that it names; else the
journal is read, and the summary written anew. It is no part of the run: it can be deleted.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from engine.common.errors import JournalError
from engine.common.files import read_small, write_atomic
from engine.common.ownership import why_denied
from engine.common.record import Count, Record, Share, UnixTime, to_json
from engine.config import RunConfig, Select
from engine.run import events as ev
from engine.run.server_facts import Cost
from engine.run.state import RunState
from engine.run.state_facts import ENDED, Status
from engine.storage.journal import fold_journal, read_journal
from engine.storage.run_folder import EVENTS, SUMMARY

_LONGEST = 64 * 1024  # bytes
_LONGEST_TEXT = 1000  # characters of one


class RunSummary(Record):
    """How far a run is. Its texts are untrusted: clean before showing."""

    version: Literal[1] = 1
    journal_bytes: Count
    journal_changed: int  # Unix time, nanoseconds
    status: Status  # as its journal ends
    done: Count  # steps
    planned: Count
    search: str  # search.kind; a summary of an earlier glov has none, and is made anew
    selection: Select | None  # of the ensemble that was measured; the same holds
    train_probability: Share | None  # means of the true class; the same holds
    best_test_probability: Share | None
    ensemble_test_probability: Share | None
    dataset: str  # as the configuration names it; the same holds of these three
    vlm: str
    llm: str
    seed: int
    best_template: str | None  # its beginning
    train_accuracy: Share | None = None
    best_test_accuracy: Share | None = None
    ensemble_test_accuracy: Share | None = None
    tokens_in: Count | None = None  # on a server
    tokens_out: Count | None = None
    cost: Cost | None = None
    last_event: UnixTime
    parent: str | None = None
    parent_step: Count | None = None
    problem: str | None = None  # why it failed

    def holds(self, journal: os.stat_result) -> bool:
        """Whether it is of the journal that is there."""
        return (self.journal_bytes, self.journal_changed) == (journal.st_size, journal.st_mtime_ns)


def read_summary(folder: Path) -> RunSummary:
    """The summary of a run: the one that is kept, or one of its journal, which is kept then.

    Raises:
        JournalError: if the journal is damaged or can't be read.
    """
    journal = _looked_at(folder)
    kept = kept_summary(folder)
    if kept is not None and kept.holds(journal):
        return kept
    summary = summary_of_journal(folder)
    if summary.holds(_looked_at(folder)):  # nothing was added meanwhile
        keep_summary(folder, summary)
    return summary


def kept_summary(folder: Path) -> RunSummary | None:
    """The summary that is kept in a run's folder, which may be of an earlier journal."""
    try:
        return RunSummary.model_validate_json(read_small(folder / SUMMARY, _LONGEST))
    except (OSError, ValidationError):
        return None


def summary_of_journal(folder: Path) -> RunSummary:
    """The summary that a run's journal gives now.

    Raises:
        JournalError: if the journal is damaged or can't be read.
    """
    journal = _looked_at(folder)
    events = read_journal(folder).events
    return summarise(fold_journal(folder, events), events[-1].time, journal)


def summarise(state: RunState, last_event: float, journal: os.stat_result) -> RunSummary:
    """The summary of a state, to which a journal that looks like this leads."""
    best, ensemble = state.test("best"), state.test("ensemble")
    config = state.config
    return RunSummary(
        journal_bytes=journal.st_size,
        journal_changed=journal.st_mtime_ns,
        status=state.status,
        done=state.steps_done,
        planned=config.steps if config else 0,
        search=config.search.kind if config else "",
        selection=ensemble.selection if ensemble else None,
        train_probability=state.best.probability if state.best is not None else None,
        best_test_probability=best.probability if best else None,
        ensemble_test_probability=ensemble.probability if ensemble else None,
        dataset=_dataset(config) if config else "",
        vlm=config.vlm.model[:_LONGEST_TEXT] if config else "",
        llm=config.llm.model[:_LONGEST_TEXT] if config else "",
        seed=config.seed if config else 0,
        best_template=state.best.text[:_LONGEST_TEXT] if state.best is not None else None,
        train_accuracy=state.best.accuracy if state.best is not None else None,
        best_test_accuracy=best.hits / best.n if best else None,
        ensemble_test_accuracy=ensemble.hits / ensemble.n if ensemble else None,
        tokens_in=state.spent.tokens_in if state.spent else None,
        tokens_out=state.spent.tokens_out if state.spent else None,
        cost=state.spent.cost if state.spent else None,
        last_event=last_event,
        parent=state.forked.parent if state.forked else None,
        parent_step=state.forked.step if state.forked else None,
        problem=state.error,
    )


def _dataset(config: RunConfig) -> str:
    """What people call the data set: its name, or that of its folder."""
    data = config.data
    given = data.name or (Path(data.path).name if data.path else "")
    return (given if data.dataset == "image-folder" and given else data.dataset)[:_LONGEST_TEXT]


def keep_summary(folder: Path, summary: RunSummary) -> None:
    """Write a summary into a run's folder, whole or not at all, if the folder is one's own."""
    with contextlib.suppress(OSError):
        if folder.stat().st_uid == os.geteuid():  # root leaves nothing in others' folders
            write_atomic(folder / SUMMARY, to_json(summary) + "\n", durable=False)


class Published(NamedTuple):
    """What a session shows at one moment."""

    journal_bytes: int  # whole lines: the facts that ``state`` is the fold of
    state: RunState
    unwritten: ev.RunFailed | None = None  # the one fact that is not in a journal that broke


def keep_summary_of(folder: Path, published: Published) -> None:
    """The same of a run that has ended, by the process that drove it and still holds it."""
    state = published.state
    with contextlib.suppress(OSError):
        journal = (folder / EVENTS).stat()
        if state.status in ENDED and journal.st_size == published.journal_bytes:
            keep_summary(folder, summarise(state, state.log[-1].time, journal))  # it is logged


def _looked_at(folder: Path) -> os.stat_result:
    path = folder / EVENTS
    try:
        return path.stat()
    except OSError as error:
        raise JournalError(f"{path} can't be read: {why_denied(error, path)}") from error

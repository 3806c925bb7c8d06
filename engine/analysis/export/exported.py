"""What an export is made from: the facts of a run up to some place, and the state they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from engine.common.errors import JournalError
from engine.config import RunConfig
from engine.config.places import read_places, with_places
from engine.run import events as ev
from engine.run.state import RunState
from engine.run.state_facts import Status
from engine.storage.journal import fold_journal, read_journal
from engine.storage.run_folder import run_argument
from engine.storage.run_status import RunStatus, status_now

Content = str | bytes | Mapping[str, bytes]
"""Of a file; or of the files of a folder, by their names."""


class Writer(Protocol):
    """Makes the content of one format."""

    def __call__(self, run: Exported) -> Content:
        """
        Raises:
            UserError: if the run has nothing for it, or what it needs is not there.
        """
        ...


def _quiet(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A run at the place that is to be exported: its end, or one that a person looks at."""

    folder: Path
    events: Sequence[ev.Event]
    state: RunState
    now: RunStatus | None = None  # what the run does; None: it is not looked at now
    is_all: bool = True  # False: an earlier place than the journal's end
    trusted: bool = False  # also where somebody else may have written it
    report: Callable[[str], None] = _quiet  # takes a sentence on what a person should know

    @property
    def config(self) -> RunConfig:
        """Of the run, as it is at this place."""
        assert self.state.config is not None  # a journal begins with it
        return self.state.config

    @property
    def status(self) -> RunStatus | Status:
        """How the run is: of one whose process is gone, that it was interrupted."""
        return self.now or self.state.status

    def text_of(self, key: str) -> str:
        """The text of a template, by its identity."""
        found = self.state.find(key)
        return found.text if found is not None else key

    @property
    def stem(self) -> str:
        """What its files are called: the name of the run's folder, and the place if it matters."""
        name, done = self.folder.resolve().name, self.state.steps_done
        if self.is_all:
            return name
        within = self.state.step > done
        return f"{name}-in-step-{self.state.step}" if within else f"{name}-at-step-{done}"


def read_exported(
    folder: Path,
    overrides: Iterable[str] = (),
    trusted: bool = False,
    report: Callable[[str], None] = _quiet,
) -> Exported:
    """A run as its journal has it now; it may be under way.

    Args:
        folder: of the run.
        overrides: ``key.path=value``: where its models are now.
        trusted: what it names may be loaded, also where somebody else may have written it.
        report: takes a sentence on what a person should know.

    Raises:
        UserError: if the journal is damaged, or a key can't be set.
    """
    events = read_journal(folder).events
    state = fold_journal(folder, events)
    assert state.config is not None
    places = read_places(state.config, overrides, run_argument(folder))
    state = replace(state, config=with_places(state.config, places))
    now = status_now(state.status, folder)
    return Exported(folder, events, state, now, trusted=trusted, report=report)


@dataclass(frozen=True, slots=True)
class Decision:
    """The templates that decide together on the class of an image, as often as they count."""

    templates: tuple[str, ...]
    is_ensemble: bool  # one that was measured; else the best template alone


def decision(run: Exported) -> Decision:
    """The ensemble, or the best template where none was measured yet.

    Raises:
        JournalError: if no template was scored yet.
    """
    measured = run.state.test("ensemble")
    if measured is not None and measured.templates:
        return Decision(measured.templates, True)
    best = run.state.best
    if best is None:
        raise JournalError(
            f"{run.folder.name}: no template was scored yet, so there is none to export"
        )
    return Decision((best.text,), False)

"""The runs in a folder, at a glance: how far each is, and whether it is under way.

From summaries and journals alone: no model is loaded, and what can't be read is a line that says
so and hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.analysis.listed_run import ListedRun, listed_run, listed_sweep
from engine.common.errors import JournalError
from engine.common.user_path import user_path
from engine.common.wording import counted
from engine.config.run_name import runs_folder
from engine.storage.run_folder import (
    EVENTS,
    all_in_runs_folder,
    find_folder,
)
from engine.storage.watched_run import SeenRun, WatchedRun
from engine.sweeps.driving import is_driven as is_sweep_driven
from engine.sweeps.plan import SWEEP
from engine.sweeps.sweep import holds_run_or_sweep, is_sweep, read_sweep

_AT_ONCE = 50  # runs that are read before those that were are shown


@dataclass(frozen=True)
class Listing:
    """The runs folder, or others, at one moment. Never changes."""

    runs: tuple[ListedRun, ...] = ()
    unread: int = 0  # runs that are there, and were not looked at yet
    denied: int = 0  # folders that this user may not look into
    problem: str | None = None  # why the runs folder can't be read

    @property
    def denied_in_words(self) -> str:
        """``2 folders you may not look into``; nothing where there is none."""
        return f"{counted(self.denied, 'folder')} you may not look into" if self.denied else ""


def list_runs(names: Sequence[str] = ()) -> list[ListedRun]:
    """The runs of ``look_at``."""
    return list(look_at(names).runs)


def look_at(names: Sequence[str] = ()) -> Listing:
    """The runs and sweeps in these folders, or in the runs folder; the latest event is last.

    A name is a folder with runs in it, a run, or a sweep, whose runs are then listed; by path, or
    by name in the runs folder.

    Raises:
        JournalError: if a folder that was named is not there or can't be read.
    """
    within = [path for name in names for path in _named(name)] if names else _all()
    looked = {folder: _look_into(folder) for folder in within}
    folders: dict[Path, Path] = {}  # by what they resolve to, so that none is listed twice
    for folder in (folder for folder, is_one in looked.items() if is_one):
        folders.setdefault(folder.resolve(), folder)
    found = [_watched(folder).look() for folder in folders.values()]
    found.sort(key=lambda run: (run.last_event or 0.0, run.folder.name))
    return Listing(tuple(found), denied=_count_denied(looked))


class RunWatch:
    """Looks at the runs folder, again and again; reads only what has changed. One thread at a time.

    The first look at a folder of thousands takes a while: it gives what it has as it goes.
    """

    def __init__(self) -> None:
        self._watched: dict[Path, _Watched] = {}
        self.elsewhere: dict[Path, None] = {}
        """Runs and sweeps outside the runs folder that are listed with those in it."""

    def look(self) -> Iterator[Listing]:
        """The folder now: the runs written to last are looked at first, and the last ``Listing`` is
        whole.
        """
        try:
            folders = _each_once([*_candidates(), *self._outside()])
        except JournalError as error:
            yield Listing(problem=str(error))
            return
        known = [folder for folder in folders if folder in self._watched]
        found = {folder: _look_into(folder) for folder in folders if folder not in self._watched}
        denied = _count_denied(found)
        new = sorted((folder for folder in found if found[folder]), key=_written, reverse=True)
        self._watched = {folder: self._watched[folder] for folder in known}
        looked = [self._watched[folder].look_or_gone() for folder in known]
        runs = [run for run in looked if run is not None]
        for number, folder in enumerate(new):
            if number % _AT_ONCE == 0 and number:
                yield Listing(tuple(runs), len(new) - number, denied)
            self._watched[folder] = watched = _watched(folder)
            runs.append(watched.look())
        yield Listing(tuple(runs), denied=denied)

    def _outside(self) -> list[Path]:
        """Those of ``elsewhere`` that are there, and that the runs folder does not list."""
        here = os.path.realpath(runs_folder())
        return [
            folder
            for folder in self.elsewhere
            if here not in map(os.path.realpath, (folder, folder.parent)) and _is_listed(folder)
        ]


def _candidates() -> list[Path]:
    """What may be a run: all in the runs folder, and that folder, which may be a run itself; alone
    where it is a sweep.

    Raises:
        JournalError: if it is no folder or can't be read.
    """
    base = runs_folder()
    if not _is_listed(base):
        return all_in_runs_folder()
    return [base] if is_sweep(base) else [base, *all_in_runs_folder()]


def _each_once(folders: Sequence[Path]) -> list[Path]:
    """Without links to others of them, and without a second link to the same elsewhere."""
    links = {folder for folder in folders if os.path.islink(folder)}  # noqa: PTH114 - never raises
    if not links:
        return list(folders)
    found = {os.path.realpath(folder): folder for folder in folders if folder not in links}
    for link in sorted(links):
        found.setdefault(os.path.realpath(link), link)
    return list(found.values())


def _all() -> list[Path]:
    base = runs_folder()
    if _is_listed(base) and is_sweep(base):
        return _runs_in(base)
    return _each_once(sorted(_candidates()))


def _named(name: str) -> list[Path]:
    folder = find_folder(name, _is_listed)
    if folder is None:
        paths = (user_path(name), runs_folder() / name)  # a folder of runs
        folder = next((path for path in paths if os.path.isdir(path)), None)  # noqa: PTH112 - never raises
    if folder is None:
        raise JournalError(f"{name}: there is no such folder, also not in {runs_folder()}/")
    return _runs_in(folder)


def _runs_in(base: Path) -> list[Path]:
    if not is_sweep(base) and _is_listed(base):
        return [base]
    try:
        return _each_once(sorted(base.iterdir()))
    except OSError as error:
        raise JournalError(f"{base} can't be read: {error.strerror}") from error


def _is_listed(folder: Path) -> bool:
    return _look_into(folder) is True


def _look_into(folder: Path) -> bool | None:
    """Whether it holds a run or a sweep; None where this user may not know."""
    try:
        return holds_run_or_sweep(folder)
    except PermissionError:
        return None
    except OSError:
        return False


def _count_denied(looked: Mapping[Path, bool | None]) -> int:
    return sum(is_one is None for is_one in looked.values())


def _watched(folder: Path) -> _Watched:
    return _WatchedSweep(folder) if is_sweep(folder) else _WatchedOne(folder)


class _WatchedOne:
    """A run of the list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run = WatchedRun(folder)
        self._seen: SeenRun | None = None
        self._listed = ListedRun(folder, "damaged")

    def look(self) -> ListedRun:
        """The run now; the same object where nothing has changed."""
        seen = self._run.look()
        if seen is not self._seen:
            self._seen, self._listed = seen, listed_run(self.folder, seen)
        return self._listed

    def look_or_gone(self) -> ListedRun | None:
        """The same; None where it was deleted."""
        listed = self.look()
        return listed if self._seen is not None and self._seen.is_there else None


class _WatchedSweep:
    """A sweep of the list: one line of all its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plan: float | None = None  # when it was written
        self._runs: list[_WatchedOne] = []
        self._listed = ListedRun(folder, "damaged", is_sweep=True)

    def look(self) -> ListedRun:
        """The sweep now; an equal one where nothing has changed."""
        try:
            self._read_plan()
        except JournalError as error:
            return ListedRun(self.folder, "damaged", is_sweep=True, problem=str(error))
        except Exception as error:
            what = str(error) or type(error).__name__
            problem = f"{self.folder} can't be read: {what}"
            return ListedRun(self.folder, "damaged", is_sweep=True, problem=problem)
        looked = [run.look_or_gone() for run in self._runs]
        runs = [run for run in looked if run is not None]
        is_driven, written = is_sweep_driven(self.folder), _changed(self.folder)
        listed = listed_sweep(self.folder, runs, len(self._runs), is_driven, written)
        if listed != self._listed:
            self._listed = listed
        return self._listed

    def look_or_gone(self) -> ListedRun | None:
        """The same; None where it was deleted."""
        return None if _look_into(self.folder) is False else self.look()

    def _read_plan(self) -> None:
        written = _changed(self.folder / SWEEP)
        if written != self._plan:
            known = {run.folder: run for run in self._runs}
            jobs = read_sweep(self.folder).jobs
            self._runs = [known.get(job.folder) or _WatchedOne(job.folder) for job in jobs]
            self._plan = written


_Watched = _WatchedOne | _WatchedSweep


def _written(folder: Path) -> float:
    """When a run or a sweep was written to last, Unix time in seconds."""
    return max(_changed(folder), _changed(folder / EVENTS))


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0

"""What home remembers while runs are looked at: the query, the order, the marks, the cursor.

Marks and order are kept in a file in the cache folder, so that another glov finds them.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing, RunWatch
from engine.analysis.run_query import ORDERS, Order, RunQuery, sort_runs
from engine.common.cache_folder import cache_folder
from engine.common.errors import UserError
from engine.common.files import make_folder, read_small, write_atomic
from engine.config.run_name import runs_folder

FILE = "home.json"
_LONGEST = 256 * 1024  # bytes
_MOST = 1000  # marks


@dataclass
class HomeMemory:
    """The state of home between two looks at it; ``listing`` is the last that was seen."""

    query: RunQuery = field(default_factory=RunQuery)
    order: Order = "newest"
    marked: dict[Path, None] = field(default_factory=dict)  # in the order of marking
    selected: Path | None = None
    said: str = ""  # what went wrong with a run that was to be opened
    theme: str = ""
    listing: Listing | None = None
    watch: RunWatch = field(default_factory=RunWatch)
    visited: dict[Path, None] = field(default_factory=dict)  # runs that were opened from here
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def look(self) -> Iterator[Listing]:
        """The runs folder now; one thread at a time, also where a screen has just been left."""
        with self._looking:
            for listing in self.watch.look():
                if listing == self.listing:
                    listing = self.listing  # known by what it is, not by what is in it
                if not listing.unread or self.listing is None or not self.listing.runs:
                    self.listing = listing
                yield listing

    def rows(self, listing: Listing) -> list[ListedRun]:
        """The runs that the query asks for, in order."""
        return sort_runs(filter(self.query.holds, listing.runs), self.order)

    def neighbours(self) -> tuple[Path, ...]:
        """The runs that ``<`` and ``>`` go through: those that are marked, else all in view."""
        if self.listing is None:
            return ()
        rows = sort_runs(self.listing.runs, self.order)
        if self.marked_runs(self.listing):
            rows = [run for run in rows if run.folder in self.marked]
        else:
            rows = [run for run in rows if self.query.holds(run)]
        return tuple(run.folder for run in rows if not run.is_sweep and run.status != "damaged")

    def marked_runs(self, listing: Listing) -> list[ListedRun]:
        """Those of the marked runs that are there, in the order of marking."""
        found = {run.folder: run for run in listing.runs}
        return [found[folder] for folder in self.marked if folder in found]

    def toggle(self, folder: Path) -> None:
        """Mark a run, or no longer."""
        if folder in self.marked:
            del self.marked[folder]
        else:
            self.marked[folder] = None
        self.keep()

    # -- kept for the next glov --------------------------------------------------------------

    @classmethod
    def kept(cls) -> HomeMemory:
        """What was kept of this runs folder; nothing where that can't be read."""
        memory = cls()
        found = _read().get(_here())
        if isinstance(found, dict):
            names, order = found.get("marked"), found.get("order")
            if isinstance(names, list):
                texts = [name for name in names[:_MOST] if isinstance(name, str) and name]
                memory.marked = dict.fromkeys(runs_folder() / name for name in texts)
                memory.watch.elsewhere.update(
                    dict.fromkeys(run for run in memory.marked if not _is_inside(run))
                )
            memory.order = next((known for known in ORDERS if known == order), "newest")
        return memory

    def keep(self) -> None:
        """Write it where the next glov finds it, if that can be written."""
        there = None
        if self.listing is not None and not self.listing.unread and not self.listing.problem:
            there = {run.folder for run in self.listing.runs}
        kept = [folder for folder in self.marked if there is None or folder in there]
        names = [
            folder.name if _is_inside(folder) else str(folder.absolute())
            for folder in kept[-_MOST:]
        ]
        with contextlib.suppress(OSError, UserError):
            every = _read() | {_here(): {"marked": names, "order": self.order}}
            make_folder(cache_folder())
            path = cache_folder() / FILE
            write_atomic(path, json.dumps(dict(list(every.items())[-100:])), durable=False)


def _is_inside(folder: Path) -> bool:
    return folder.parent == runs_folder()


def _here() -> str:
    return str(runs_folder().absolute())


def _read() -> dict[str, object]:
    try:
        found = json.loads(read_small(cache_folder() / FILE, _LONGEST))
    except (OSError, ValueError, UserError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

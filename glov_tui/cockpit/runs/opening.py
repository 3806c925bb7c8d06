"""Opening a run from a list of runs: its session, made on a thread while the screen stays alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import UserError
from engine.session.interface import Session
from glov_tui.cockpit.notices import NoticesApp
from glov_tui.common.text import clean

if TYPE_CHECKING:
    from engine.remote.client import RemoteSession

POLL_SECONDS = 0.05
LEAVING_SECONDS = 10.0  # for an engine that has ended to leave its run
SAID_AFTER = 0.3  # seconds; what opens sooner needs no words


@dataclass(frozen=True)
class Opened:
    """What is shown next: a run by its session, or a sweep, whose runs the fleet shows."""

    folder: Path
    session: Session | None

    def let_go(self) -> None:
        """Close the session, where nobody shows it: an engine would count it as a screen."""
        close = getattr(self.session, "close", None)
        if close is not None:
            close()


def open_run(folder: Path, screen_name: str) -> Opened:
    """A run as it is now: attached to where its engine is here, followed by its journal where that
    is another host's or user's, else shown as it was left. A sweep is one.

    Raises:
        UserError: if it can't be read, or its engine does not answer.
    """
    from engine.remote import address
    from engine.remote.client import RemoteSession
    from engine.session.following import FollowedSession
    from engine.storage.watched_run import WatchedRun
    from engine.sweeps.sweep import is_sweep

    if is_sweep(folder):
        return Opened(folder, None)
    seen = WatchedRun(folder).look()
    if seen.status not in ("running", "paused"):
        return Opened(folder, RemoteSession.without_engine(folder, screen_name))
    if address.why_out_of_reach(folder) is not None:
        return Opened(folder, FollowedSession.open(folder))
    return Opened(folder, RemoteSession.attach(folder, screen_name))


def replay_run(folder: Path) -> Opened:
    """A run from its beginning, as it went.

    Raises:
        UserError: if it can't be read.
    """
    from engine.session.replay import ReplaySession

    return Opened(folder, ReplaySession.open(folder))


def resume_run(folder: Path, screen_name: str) -> Opened:
    """A run that its engine takes up again, in a process of its own.

    Raises:
        UserError: if it can't be taken up.
    """
    from engine.remote.client import RemoteSession

    return Opened(folder, RemoteSession.of_new_engine(folder, screen_name))


def take_up(left: RemoteSession, screen_name: str) -> Opened:
    """A run whose engine has ended while it was shown, as it goes on: by an engine that somebody
    else has started meanwhile, else by a new one.

    Raises:
        UserError: if it can't be taken up.
    """
    from engine.remote.client import RemoteSession
    from engine.run.state_facts import ENDED
    from engine.storage.journal import is_driven
    from engine.storage.summary import read_summary

    folder = left.folder
    end = time.monotonic() + LEAVING_SECONDS
    while is_driven(folder) and time.monotonic() < end:
        if read_summary(folder).status not in ENDED:
            return Opened(folder, RemoteSession.attach(folder, screen_name))
        time.sleep(POLL_SECONDS)  # the engine that has ended lets go of its screens first
    return Opened(folder, left.again())


def begin_demo(screen_name: str) -> Opened:
    """A new run of the demo, whose engine is started when it is shown.

    Raises:
        UserError: if its folder can't be written.
    """
    from engine.config.toml_file import preset_file
    from engine.remote.client import RemoteSession
    from engine.session.beginning import begin_run

    folder = begin_run(str(preset_file("demo")), [], None)
    return Opened(folder, RemoteSession.of_new_engine(folder, screen_name, trusted=True))


class OpensRuns(NoticesApp):
    """An app that is left for a run, once that is open."""

    opened: Opened | None = None
    _opening: _Opening | None = None

    def open_next(self, what: str, make: Callable[[], Opened]) -> None:
        """Open a run and leave for it; what is wrong is said, and this screen stays."""
        if self._opening is not None:
            return
        opening = self._opening = _Opening(make)
        opening.start()
        begun = time.monotonic()
        told = False

        def poll() -> None:
            nonlocal told
            if opening.is_alive():
                if not told and time.monotonic() - begun > SAID_AFTER:
                    told = True
                    self.notify(clean(f"Opening {what} ..."), timeout=60)
                return
            timer.stop()
            self._opening = None
            if opening.opened is None:
                self.notify(clean(opening.problem), severity="error", timeout=15)
                return
            self.opened = opening.opened
            self.exit()

        timer = self.set_interval(POLL_SECONDS, poll)

    def on_unmount(self) -> None:
        """What is opened when this screen is left for something else is let go."""
        if self._opening is not None:
            self._opening.drop()


class _Opening(threading.Thread):
    """Makes a session; on a thread, as a journal can be long and an engine busy."""

    def __init__(self, make: Callable[[], Opened]) -> None:
        super().__init__(name="glov-opening", daemon=True)
        self._make = make
        self.opened: Opened | None = None
        self.problem = ""
        self._lock = threading.Lock()
        self._is_dropped = False

    def drop(self) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._is_dropped = True
            if self.opened is not None:
                self.opened.let_go()

    def run(self) -> None:
        try:
            opened = self._make()
            with self._lock:
                self.opened = opened
                if self._is_dropped:
                    opened.let_go()
        except UserError as error:
            self.problem = str(error)
        except Exception as error:  # what a journal can hold is not all known
            self.problem = f"it can't be opened: {type(error).__name__}: {error}"

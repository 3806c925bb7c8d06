"""A sweep on the screen: the fleet, and from there its runs, one at a time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine.common.errors import UserError
from engine.common.files import open_private
from engine.common.ownership import why_denied
from engine.remote.client import RemoteSession
from engine.session.following import FollowedSession
from engine.session.replay import ReplaySession
from engine.storage.run_folder import LOG, run_argument
from engine.sweeps.driving import is_driven
from engine.sweeps.fleet import UNDER_WAY, Fleet, TrialRow
from glov_tui.commands.headless import EXIT_DONE, say
from glov_tui.commands.on_screen import (
    KIB_PER_SECOND,
    LOW_KIB_PER_SECOND,
    drive_on_screen,
    replay_on_screen,
    screen_name,
    set_textual_defaults,
)

LEAVE_SECONDS = 30.0  # for a sweep that was told to stop


class Driver:
    """The process that drives a sweep which this screen has begun: it outlives the screen."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        """``words`` are the command, for a process without a screen.

        Raises:
            UserError: if it can't be started.
        """
        self._log = folder / LOG
        try:
            log = open_private(self._log)
        except OSError as error:
            raise UserError(
                f"{self._log} can't be written: {why_denied(error, self._log)}"
            ) from error
        self._before = os.fstat(log).st_size
        self._folder = folder
        command = [sys.executable, "-P", "-m", "glov_tui", *words, "--headless"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        finally:
            os.close(log)

    def refused(self) -> str | None:
        """What it said, if it has ended without having driven anything."""
        code = self._process.poll()
        if code != 2:
            return None
        with self._log.open("rb") as file:
            file.seek(self._before)
            said = file.read().decode(errors="replace")
        _, found, reason = said.rpartition("glov: ")  # what is before it was said of other things
        return reason.strip() if found else f"the sweep ended at its start; {self._log} says more"

    def lives(self) -> bool:
        """Whether it is there, at work or about to be."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Tell it to stop, as ctrl+c does."""
        if self.lives():
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end, but not for ever."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)


def attach_fleet(folder: Path, low_bandwidth: bool) -> int:
    """Show a sweep, at work or not; returns the exit code.

    Raises:
        UserError: if it can't be read.
    """
    show_fleet(Fleet(folder), folder, low_bandwidth)
    if is_driven(folder):
        say_ways_back(folder)
    return EXIT_DONE


def show_fleet(
    fleet: Fleet, folder: Path, low_bandwidth: bool, driver: Driver | None = None
) -> None:
    """Show the fleet until a person leaves it; a run that is opened comes back to it.

    Raises:
        UserError: if ``driver`` could not begin.
    """
    set_textual_defaults()
    from glov_tui.cockpit.fleet.app import FleetApp
    from glov_tui.terminal.tty import screen_descriptors

    budget = LOW_KIB_PER_SECOND if low_bandwidth else KIB_PER_SECOND
    selected: str | None = None
    while True:
        try:
            with screen_descriptors(folder / LOG) as terminal:
                app = FleetApp(
                    fleet,
                    terminal=terminal,
                    kib_per_second=budget,
                    selected=selected,
                    driver=driver,
                )
                app.run()
                if app.stopping and driver is not None:
                    driver.wait(LEAVE_SECONDS)
        except OSError as error:
            raise UserError(f"{folder / LOG} can't be written: {error.strerror}") from error
        if driver is not None and (refused := driver.refused()) is not None:
            raise UserError(refused)
        if app.return_code:
            say(f"glov: the screen crashed; the traceback is in {folder / LOG}")
        if app.opened is None or app.return_code:
            return
        selected = app.opened.name
        _show(app.opened, low_bandwidth)


def _show(row: TrialRow, low_bandwidth: bool) -> None:
    """Show a run in the cockpit, driven where a socket reaches it, else from its journal."""
    try:
        if row.status in UNDER_WAY and row.is_here:
            drive_on_screen(RemoteSession.attach(row.folder, screen_name()), low_bandwidth)
        elif row.status in UNDER_WAY:
            replay_on_screen(FollowedSession.open(row.folder), low_bandwidth)
        else:
            replay_on_screen(ReplaySession.open(row.folder), low_bandwidth)
    except UserError as error:  # it has ended since, most likely
        say(f"glov: {error}")
        time.sleep(1.0)


def say_ways_back(folder: Path) -> None:
    """Say how to come back to a sweep that goes on."""
    name = run_argument(folder)
    say("the sweep goes on")
    say(f"show it: glov attach {name}")
    say(f"stop it: glov stop {name}")

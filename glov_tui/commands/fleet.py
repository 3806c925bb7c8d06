"""A sweep on the screen: the fleet, and from there its runs, one at a time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.common.errors import UserError
from engine.common.files import open_private
from engine.common.ownership import why_denied
from engine.storage.run_folder import LOG, run_argument
from engine.sweeps.driving import is_driven
from engine.sweeps.fleet import Fleet
from glov_tui.commands.fleet_walk import walk_fleet
from glov_tui.commands.headless import EXIT_DONE, say
from glov_tui.commands.home import browse
from glov_tui.commands.showing import byte_budget, set_textual_defaults


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
        UserError: if ``driver`` could not begin, or the sweep's log can't be written.
    """
    set_textual_defaults()
    from glov_tui.terminal.tty import screen_descriptors

    budget = byte_budget(low_bandwidth)
    try:
        with screen_descriptors(folder / LOG) as terminal:
            end = walk_fleet(terminal, fleet, budget, driver)
            if end == "home":
                end = "crashed" if browse(terminal, budget, folder) else "left"
    except OSError as error:
        raise UserError(f"{folder / LOG} can't be written: {error.strerror}") from error
    if driver is not None and (refused := driver.refused()) is not None:
        raise UserError(refused)
    if end == "crashed":
        say(f"glov: the screen crashed; the traceback is in {folder / LOG}")


def say_ways_back(folder: Path) -> None:
    """Say how to come back to a sweep that goes on."""
    name = run_argument(folder)
    say("the sweep goes on")
    say(f"show it: glov attach {name}")
    say(f"stop it: glov stop {name}")

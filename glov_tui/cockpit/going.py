"""From one run to another: back to the list of all runs, and to the run before or after.

The run that is left goes on: its engine has a process of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glov_tui.cockpit.attached import AttachedActions
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.runs.opening import OpensRuns, open_run
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean
from glov_tui.terminal.tty import Terminal


@dataclass(frozen=True)
class Around:
    """What is around a run that is shown."""

    screen_name: str  # what other screens of a run see of this one
    folders: tuple[Path, ...] = ()  # that < and > go through
    from_home: bool = False  # leaving leads back to a list of runs


class GoingActions(AttachedActions, OpensRuns):
    """Leaving a run for another one, or for home."""

    around: Around | None = None  # None: there is nothing else to go to
    goes_home = False
    _tried: Path | None = None  # the run that < and > were at last, and that did not open
    _terminal: Terminal | None = None
    _announced_status: str

    def going_allows(self, action: str) -> bool:
        """Whether there is something to go to."""
        if action in ("home", "beside"):  # a page of a browser shows its run, and no other
            return self.around is not None
        if action == "go_to_run":
            return self.around is not None and len(self._others) > 0
        return True

    @property
    def _others(self) -> list[Path]:
        folders = self.around.folders if self.around is not None else ()
        return [folder for folder in folders if folder != self.session.folder]

    def is_followed(self) -> bool:
        """Whether another screen follows this one on the terminal."""
        back = self.around is not None and self.around.from_home
        return not self.quits and (self.goes_home or self.opened is not None or back)

    def exit(self, *given: object, **named: object) -> None:
        """Leave; the terminal stays as it is where another screen follows."""
        if self._terminal is not None:
            self._terminal.stays = self.is_followed()
        super().exit(*given, **named)  # type: ignore[arg-type]

    def action_home(self) -> None:
        """To the list of all runs."""
        self.goes_home = True
        self.exit()

    def action_go_to_run(self, by: int) -> None:
        """To the run before or after, of those that are marked, else of all in view.

        One that does not open, as it was deleted meanwhile, is passed by the next press.
        """
        if self.around is None or not self._others or self._opening is not None:
            return
        folders, shown = self.around.folders, self.session.folder
        here = self._tried or shown
        at = folders.index(here) if here in folders else (0 if by < 0 else -1)
        at += by
        if folders[at % len(folders)] == shown:
            at += by
        to = self._tried = folders[at % len(folders)]
        self.open_next(to.name, partial(open_run, to, self.around.screen_name))

    def action_beside(self) -> None:
        """This run and those that are marked at home, on one chart."""
        from glov_tui.cockpit.runs.chart import ChartScreen
        from glov_tui.cockpit.runs.memory import HomeMemory

        here = self.session.folder
        marked = [folder for folder in HomeMemory.kept().marked if os.path.isdir(folder)]  # noqa: PTH112 - never raises
        folders = [here, *(folder for folder in marked if folder != here)]
        if len(folders) == 1:
            home = bound_key(self, "home")
            self.notify(
                f"Marked runs are shown beside this one: mark some at home ({home}, space)."
            )
        self._open(ChartScreen(folders, ASCII if self.ascii_only else UNICODE))

    def say_where(self) -> None:
        """Say which of the runs this is, where it is one of several.

        That one which ended long ago is finished is no news.
        """
        if self.around is None:
            return
        if self.around.from_home and self.session.ended:
            status = self.session.state.status
            self._announced_status = status if status == "finished" else self._announced_status
        if self.session.folder not in self.around.folders:
            return
        folders = self.around.folders
        if len(folders) > 1:
            place = folders.index(self.session.folder) + 1
            name = self.session.folder.name
            self.notify(clean(f"{place} of {len(folders)}: {name}"), timeout=3)

"""``glov`` alone: all runs on the screen, and from there one after the other, on one terminal."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import JournalError, UserError
from engine.storage.journal import is_driven
from engine.storage.run_folder import as_listed, run_argument
from glov_tui.commands.showing import (
    END_SECONDS,
    byte_budget,
    cockpit_on,
    let_go,
    screen_name,
    set_textual_defaults,
)
from glov_tui.terminal.streams import tell

if TYPE_CHECKING:
    from glov_tui.cockpit.app import GlovApp
    from glov_tui.cockpit.runs.memory import HomeMemory
    from glov_tui.cockpit.runs.opening import Opened
    from glov_tui.terminal.tty import Terminal


def show_home(low_bandwidth: bool = False) -> int:
    """Show all runs until a person leaves; returns the exit code.

    What is written meanwhile goes to a file of its own, which is kept if the screen crashed.
    """
    set_textual_defaults()
    from glov_tui.cockpit.runs.memory import HomeMemory
    from glov_tui.terminal.tty import screen_descriptors

    budget = byte_budget(low_bandwidth)
    descriptor, name = tempfile.mkstemp(prefix="glov-home-", suffix=".txt")
    os.close(descriptor)
    memory = HomeMemory.kept()
    with screen_descriptors(Path(name)) as terminal:
        crashed = _Walk(terminal, budget, memory).go()
    for folder in _still_going(memory):
        argument = run_argument(folder)
        tell(
            f"{folder.name} goes on: glov attach {argument} shows it, glov stop {argument} ends it"
        )
    if crashed:
        from glov_tui.commands.headless import EXIT_FAILED

        tell(f"glov: the screen crashed; the traceback is in {name}")
        return EXIT_FAILED
    Path(name).unlink(missing_ok=True)
    return 0


def go_on(terminal: Terminal, budget: float, left: GlovApp) -> bool:
    """Go where a person wanted to when the cockpit of a run was left: home, or nowhere.

    Returns whether a screen crashed.
    """
    if left.quits or not left.goes_home:
        return False
    let_go(left)
    return browse(terminal, budget, left.session.folder, left.theme)


def browse(terminal: Terminal, budget: float, selected: Path, theme: str = "") -> bool:
    """Show all runs, with the cursor on one, on a terminal that is prepared; whether it crashed."""
    from glov_tui.cockpit.runs.memory import HomeMemory

    memory = HomeMemory.kept()
    memory.selected, memory.theme = as_listed(selected), theme
    memory.watch.elsewhere[selected] = None  # a run in a folder of its own is listed too
    return _Walk(terminal, budget, memory).go()


class _Walk:
    """From home to a run, to the next one, and back, until a person has enough."""

    def __init__(self, terminal: Terminal, budget: float, memory: HomeMemory) -> None:
        self._terminal, self._budget, self._memory = terminal, budget, memory

    def go(self) -> bool:
        """Returns whether a screen crashed."""
        from glov_tui.cockpit.runs.home import HomeApp

        memory = self._memory
        while True:
            home = HomeApp(
                memory,
                terminal=self._terminal,
                kib_per_second=self._budget,
                screen_name=screen_name(),
            )
            home.run()
            if home.return_code or home.quits or home.opened is None:
                return bool(home.return_code)
            opened: Opened | None = home.opened
            while opened is not None:
                memory.visited[opened.folder] = None
                memory.selected = opened.folder
                if opened.session is None:
                    if self._fleet(opened.folder):
                        return False
                    break
                left = self._run(opened)
                if left.return_code or left.quits:
                    return bool(left.return_code)
                opened = left.opened

    def _run(self, opened: Opened) -> GlovApp:
        from glov_tui.cockpit.going import Around

        assert opened.session is not None
        around = Around(screen_name(), self._memory.neighbours(), from_home=True)
        app = cockpit_on(self._terminal, opened.session, self._budget, around, self._memory.theme)
        if app.is_leaving and app.quits:
            opened.session.wait(END_SECONDS)
        let_go(app)
        self._memory.theme = app.theme
        self._memory.said = app.refused or ""
        return app

    def _fleet(self, folder: Path) -> bool:
        """Show a sweep; whether all of glov is to be left."""
        from engine.sweeps.fleet import Fleet
        from glov_tui.commands.fleet_walk import walk_fleet

        try:
            end = walk_fleet(self._terminal, Fleet(folder), self._budget, from_home=True)
        except UserError as error:
            self._memory.said = str(error)
            return False
        return end == "quit"


def _still_going(memory: HomeMemory) -> list[Path]:
    """The runs that were opened, and that an engine is at work on."""
    found = []
    for folder in memory.visited:
        try:
            if is_driven(folder):
                found.append(folder)
        except JournalError:  # a sweep; or it is gone
            continue
    return found

"""From a sweep's fleet to its runs and back, on one terminal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.common.errors import UserError
from engine.sweeps.fleet import Fleet, TrialRow
from glov_tui.commands.showing import cockpit_on, let_go, screen_name

if TYPE_CHECKING:
    from glov_tui.cockpit.fleet.app import Driver
    from glov_tui.cockpit.runs.opening import Opened
    from glov_tui.terminal.tty import Terminal

LEAVE_SECONDS = 30.0  # for a sweep that was told to stop

End = Literal["left", "home", "quit", "crashed"]
"""How a fleet was left: for whoever showed it, for the list of all runs, or all of glov."""


def walk_fleet(
    terminal: Terminal,
    fleet: Fleet,
    budget: float,
    driver: Driver | None = None,
    from_home: bool = False,
) -> End:
    """Show the fleet, and the runs that are opened from it, on a terminal that is prepared."""
    from glov_tui.cockpit.fleet.app import FleetApp
    from glov_tui.cockpit.going import Around
    from glov_tui.cockpit.runs.opening import open_run

    selected: str | None = None
    said = ""
    while True:
        app = FleetApp(
            fleet,
            terminal=terminal,
            kib_per_second=budget,
            selected=selected,
            driver=driver,
            from_home=from_home,
            said=said,
        )
        app.run()
        if app.stopping and driver is not None:
            driver.wait(LEAVE_SECONDS)
        if app.return_code or app.quits:
            return "crashed" if app.return_code else "quit"
        if app.goes_home or app.opened is None:
            return "home" if app.goes_home else "left"
        folders = {row.folder: row for row in app.seen.rows} if app.seen is not None else {}
        to, said = app.opened.folder, ""
        around = Around(screen_name(), tuple(_begun(folders.values())), from_home=True)
        opened: Opened | None = None
        try:
            opened = open_run(to, screen_name())
        except UserError as error:  # it has ended since, most likely
            said = str(error)
        while opened is not None and opened.session is not None:
            selected = folders[opened.folder].name
            left = cockpit_on(terminal, opened.session, budget, around)
            let_go(left)
            said = left.refused or ""
            if left.return_code or left.quits:
                return "crashed" if left.return_code else "quit"
            if left.goes_home:
                return "home"
            opened = left.opened


def _begun(rows: Iterable[TrialRow]) -> list[Path]:
    return [row.folder for row in rows if row.status not in ("waiting", "new", "damaged")]

"""``glov attach``: another screen of a run that is under way."""

from __future__ import annotations

from engine.common.errors import UserError
from engine.remote.client import RemoteSession
from engine.storage.run_folder import find_run
from glov_tui.commands.driving import has_terminal
from glov_tui.commands.on_screen import drive_on_screen, screen_name


def attach_screen(run: str, low_bandwidth: bool) -> int:
    """Show a run; returns the exit code.

    Raises:
        UserError: if there is no such run or no engine is at work on it, or there is no terminal.
    """
    folder = find_run(run)
    if not has_terminal():
        raise UserError("attaching needs a terminal; `glov runs` lists what is under way")
    return drive_on_screen(RemoteSession.attach(folder, screen_name()), low_bandwidth)

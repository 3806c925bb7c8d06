"""``glov attach``: another screen of a run that is under way."""

from __future__ import annotations

import os
from pathlib import Path

from engine.common.errors import JournalError, UserError
from engine.remote import address
from engine.remote.client import RemoteSession
from engine.session.following import FollowedSession
from engine.session.replay import ReplaySession
from engine.storage.journal import is_driven
from engine.storage.run_folder import run_argument
from engine.sweeps.sweep import find_run_or_sweep, is_sweep
from glov_tui.commands.driving import has_terminal
from glov_tui.commands.on_screen import (
    drive_in_browser,
    drive_on_screen,
    is_in_browser,
    replay_on_screen,
)
from glov_tui.commands.showing import screen_name


def attach_screen(run: str, low_bandwidth: bool) -> int:
    """Show a run, or a sweep with all of its runs; returns the exit code.

    One that a process of another host or user drives is followed by its journal. A page of a
    browser (`glov serve`) shows one that has ended as well.

    Raises:
        UserError: if there is none of this name or no engine is at work on the run, or there is no
            terminal.
    """
    folder = find_run_or_sweep(run)
    if is_in_browser(os.environ):
        return drive_in_browser(_session_of_page(folder, screen_name()), low_bandwidth)
    if not has_terminal():
        raise UserError(
            "attaching needs a terminal; `glov runs` lists what is under way, "
            f"`glov serve {run_argument(folder)}` shows a run in a browser"
        )
    if is_sweep(folder):
        from glov_tui.commands.fleet import attach_fleet

        return attach_fleet(folder, low_bandwidth)
    if (followed := _followed(folder)) is not None:
        return replay_on_screen(followed, low_bandwidth)
    return drive_on_screen(RemoteSession.attach(folder, screen_name()), low_bandwidth)


def _followed(folder: Path) -> ReplaySession | None:
    """A run whose engine is another host's or another user's: only its journal is within reach."""
    if not is_driven(folder) or address.why_out_of_reach(folder) is None:
        return None
    return FollowedSession.open(folder)


def _session_of_page(folder: Path, name: str) -> RemoteSession | ReplaySession:
    if (followed := _followed(folder)) is not None:
        return followed
    if is_driven(folder):
        try:
            return RemoteSession.attach(folder, name)
        except JournalError:
            if is_driven(folder):
                raise
    return RemoteSession.without_engine(folder, name)

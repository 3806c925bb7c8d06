"""Showing a run in the cockpit, on a terminal that is prepared for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.remote.messages import LONGEST_NAME
from engine.session.interface import Session

if TYPE_CHECKING:
    from glov_tui.cockpit.app import GlovApp
    from glov_tui.cockpit.going import Around
    from glov_tui.terminal.tty import Terminal

END_SECONDS = 10.0  # for an engine that was told to stop
CLOSE_SECONDS = 1.0  # for an engine to let go of a screen that is left
_KIB_PER_SECOND, _LOW_KIB_PER_SECOND = 12.0, 5.0

# Textual reads these when it is imported. No animations, for slow lines; what is typed shows within
# a frame.
_TEXTUAL_DEFAULTS = {
    "TEXTUAL_FPS": "60",
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
}

SCREEN_NAME = "GLOV_SCREEN_NAME"
"""Of a screen in a browser, told to its process by this variable."""


def byte_budget(low_bandwidth: bool) -> float:
    """KiB a second that a screen may write, on average."""
    return _LOW_KIB_PER_SECOND if low_bandwidth else _KIB_PER_SECOND


def set_textual_defaults() -> None:
    """Before Textual is imported."""
    for name, value in _TEXTUAL_DEFAULTS.items():
        os.environ.setdefault(name, value)


def screen_name() -> str:
    """What other people see of this screen: its terminal, and where the line comes from."""
    if named := os.environ.get(SCREEN_NAME):
        return named[:LONGEST_NAME]
    try:
        name = os.ttyname(0).removeprefix("/dev/")
    except OSError:
        name = f"process {os.getpid()}"
    came_from = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    return (f"{name} from {came_from}" if came_from else name)[:LONGEST_NAME]


def cockpit_on(
    terminal: Terminal, session: Session, budget: float, around: Around, theme: str = ""
) -> GlovApp:
    """Show a session in the cockpit, on a terminal that is prepared; returns the app that was left.

    The session is let go where it is not waited for: what runs goes on.
    """
    from glov_tui.cockpit.app import GlovApp

    app = GlovApp(session, terminal=terminal, kib_per_second=budget)
    app.around = around
    if theme:
        app.set_reactive(GlovApp.theme, theme)
    app.run()
    return app


def let_go(app: GlovApp) -> None:
    """Close the session of a cockpit that was left, so that who comes next finds it free."""
    if app.remote is not None:
        app.remote.close(CLOSE_SECONDS)

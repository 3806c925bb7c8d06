"""Driving a run on the screen: the terminal prepared, the app run, and the result said after it."""

from __future__ import annotations

import os

from engine.commands import Stop
from engine.journal import LOG
from engine.session import LocalSession
from glov_tui.headless import conclude

STOP_SECONDS = 10.0
KIB_PER_SECOND, LOW_KIB_PER_SECOND = 12.0, 5.0

# Textual reads these when it is imported: fewer frames and no animations, for slow lines.
_TEXTUAL_DEFAULTS = {
    "TEXTUAL_FPS": "20",
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
}


def drive_on_screen(session: LocalSession, low_bandwidth: bool = False) -> int:
    """Run a session in the cockpit; returns the exit code of the command line contract.

    However the screen ends, the engine is stopped at its next safe point and the terminal is as
    it was before.
    """
    for name, value in _TEXTUAL_DEFAULTS.items():
        os.environ.setdefault(name, value)
    from glov_tui.app import GlovApp
    from glov_tui.tty import screen_descriptors

    budget = LOW_KIB_PER_SECOND if low_bandwidth else KIB_PER_SECOND
    with screen_descriptors(session.folder / LOG) as terminal:
        app = GlovApp(session, terminal=terminal, kib_per_second=budget)
        app.run()
        if not session.ended:
            session.send(Stop())
            session.wait(STOP_SECONDS)
    return conclude(session, as_json=False)

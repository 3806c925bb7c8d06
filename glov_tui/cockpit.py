"""Driving a run on the screen: the terminal prepared, the app run, and the result said after it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from engine.commands import Stop
from engine.journal import LOG
from engine.replay import ReplaySession
from engine.session import LocalSession

STOP_SECONDS = 10.0
POLL_SECONDS = 0.5
KIB_PER_SECOND, LOW_KIB_PER_SECOND = 12.0, 5.0

# Textual reads these when it is imported. No animations, for slow lines; what is typed shows within
# a frame.
_TEXTUAL_DEFAULTS = {
    "TEXTUAL_FPS": "60",
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
}


def _set_textual_defaults() -> None:
    for name, value in _TEXTUAL_DEFAULTS.items():
        os.environ.setdefault(name, value)


def replay_on_screen(session: ReplaySession, low_bandwidth: bool = False) -> int:
    """Play a run back in the cockpit; returns the exit code.

    What is written meanwhile goes to a file of its own: the run may be somebody else's.
    """
    _set_textual_defaults()
    from glov_tui.app import GlovApp
    from glov_tui.tty import screen_descriptors

    budget = LOW_KIB_PER_SECOND if low_bandwidth else KIB_PER_SECOND
    descriptor, name = tempfile.mkstemp(prefix="glov-replay-", suffix=".txt")
    os.close(descriptor)
    with screen_descriptors(Path(name)) as terminal:
        app = GlovApp(session, terminal=terminal, kib_per_second=budget)
        app.run()
    if app.return_code:
        from glov_tui.headless import EXIT_FAILED, say

        say(f"glov: the cockpit crashed; the traceback is in {name}")
        return EXIT_FAILED
    Path(name).unlink(missing_ok=True)
    return 0


def drive_on_screen(session: LocalSession, low_bandwidth: bool = False) -> int:
    """Run a session in the cockpit; returns the exit code of the command line contract.

    When the screen ends the engine is stopped at its next safe point, unless the terminal has
    gone: then the run goes on to its end without one, or stops if it was paused. The terminal is
    left as it was before.
    """
    _set_textual_defaults()
    from glov_tui.app import GlovApp
    from glov_tui.tty import screen_descriptors

    budget = LOW_KIB_PER_SECOND if low_bandwidth else KIB_PER_SECOND
    with screen_descriptors(session.folder / LOG) as terminal:
        app = GlovApp(session, terminal=terminal, kib_per_second=budget)
        app.run()
        crashed = bool(app.return_code)
        if terminal.gone:  # a dropped line ends the screen, not the run
            while not session.wait(POLL_SECONDS):
                if session.state.status == "paused":  # nobody is left who could let it go on
                    session.send(Stop())
        elif not session.ended:
            session.send(Stop())
            session.wait(STOP_SECONDS)
    from glov_tui.headless import EXIT_FAILED, conclude, say

    code = conclude(session, as_json=False)
    if crashed:
        say(f"glov: the cockpit crashed; the traceback is in {session.folder / LOG}")
        return EXIT_FAILED
    return code

"""``glov replay``: a run played back in the cockpit from its journal alone."""

from __future__ import annotations

from engine.common.errors import UserError
from engine.session.replay import ReplaySession, parse_speed
from engine.storage.run_folder import find_run
from glov_tui.commands.driving import has_terminal


def replay_run(run: str, speed: str, low_bandwidth: bool) -> int:
    """Play a run back; returns the exit code.

    Raises:
        UserError: if there is no such run, the speed is none, or there is no terminal.
    """
    session = ReplaySession.open(find_run(run), parse_speed(speed))
    if not has_terminal():
        raise UserError(
            "a replay needs a terminal; `glov runs` and `glov compare` print what a run did"
        )
    from glov_tui.commands.on_screen import replay_on_screen

    return replay_on_screen(session, low_bandwidth)

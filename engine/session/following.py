"""A run that is driven where no socket reaches, shown as its journal grows: looked at, not driven.

It is a replay that stands at its end, and goes on with it until a person goes elsewhere.
"""

from __future__ import annotations

import time

from engine.common.errors import JournalError
from engine.run.state import RunState
from engine.session.replay import ReplaySession
from engine.storage.run_folder import EVENTS

LOOK_SECONDS = 1.0  # between two looks, or so many times what reading the journal takes
TIMES_A_READ = 20.0


class FollowedSession(ReplaySession):
    """``open`` it, and it stands at the end of the journal."""

    label = "following"
    _looked = float("-inf")
    _wait = LOOK_SECONDS
    _size = -1

    @property
    def state(self) -> RunState:
        """The state at the journal's end, if that is where one stands; else as of a replay."""
        if not self.playing and self.at_end:
            self._look()
        return super().state

    def start(self) -> None:
        """Stand at the end."""
        self.go_to_end()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < self._wait:
            return
        self._looked = now
        try:
            size = (self.folder / EVENTS).stat().st_size
            if size != self._size:
                self._size = size
                self.reload()
                self.go_to_end()
        except (OSError, JournalError):  # what was read before is shown
            pass
        took = time.monotonic() - now
        self._wait = max(LOOK_SECONDS, TIMES_A_READ * took)

"""Giving up on models that are being loaded: libraries that load them can't be told to stop.

The engine's thread is then left to itself; it has no say in the run any more. Whoever waits for
its end says how the run ended, and ends the process.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

PATIENCE_SECONDS = 0.5  # for a load to come to a safe point by itself


class Load:
    """Whether an engine's thread is loading, and whether it was given up. For any thread.

    ``lock`` is held while anything is said of the run.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.given_up = False
        self._under_way = False
        self._stop_asked: float | None = None

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Entered by the engine's thread while it loads."""
        self._under_way = True
        try:
            yield
        finally:
            with self.lock:
                self._under_way = False

    def ask_to_stop(self) -> None:
        """Called when the run is told to stop."""
        if self._stop_asked is None:
            self._stop_asked = time.monotonic()

    @property
    def is_told_to_stop(self) -> bool:
        """Whether the run was told to stop."""
        return self._stop_asked is not None

    @property
    def is_to_be_given_up(self) -> bool:
        """Whether it is time to, and that was not done before; looked at with the lock."""
        asked = self._stop_asked
        due = asked is not None and time.monotonic() - asked >= PATIENCE_SECONDS
        return due and self._under_way and not self.given_up

"""A budget for the bytes written to the terminal, so that a slow line never lags behind."""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_QUEUED_FRAMES = 2
"""Frames that may wait for the terminal before background repaints are skipped."""

SLOW_KIB_PER_SECOND = 10.0
"""Rates below this are for slow lines."""

MAX_DEBT_SECONDS = 1.0
"""For how long one large repaint (a new screen, a resize) holds up the background at most."""


class Governor:
    """A token bucket, in bytes: repaints spend, time fills.

    Ask ``may_repaint`` before a repaint that nobody asked for, and skip it while the answer is
    no: the next tick catches up, because what is skipped is the paint and not the state.
    Repaints that the user caused are made without asking, but they are spent all the same.

    Over any ``t`` seconds, background frames of at most ``f`` bytes add up to no more than
    ``kib_per_second * t + burst_kib + f``, for ``f`` up to a second's rate. Of what was spent in
    excess, no more than ``MAX_DEBT_SECONDS`` are remembered: a full repaint at 200x50 would else
    silence the background for several seconds, on lines that can carry it too.

    Not thread-safe: for one event loop.
    """

    def __init__(
        self,
        kib_per_second: float,
        burst_kib: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with a full bucket. ``clock`` returns seconds and never goes back.

        Raises:
            ValueError: if the rate or the burst is not above 0.
        """
        if not (kib_per_second > 0 and burst_kib > 0):
            raise ValueError(f"rate and burst must be above 0, not {kib_per_second}, {burst_kib}")
        self._rate = kib_per_second * 1024
        self._burst = burst_kib * 1024
        self._clock = clock
        self._tokens = self._burst
        self._filled_at = clock()
        self._total = 0

    @property
    def is_slow(self) -> bool:
        """Whether the rate is one for slow lines."""
        return self._rate < SLOW_KIB_PER_SECOND * 1024

    @property
    def total(self) -> int:
        """Bytes spent since the start."""
        return self._total

    @property
    def balance(self) -> float:
        """Bytes that may be written now; below 0 while in debt."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return self._tokens

    def spend(self, n: int) -> None:
        """``n`` bytes were written."""
        self._total += n
        self._tokens = max(self.balance - n, -self._rate * MAX_DEBT_SECONDS)

    def may_repaint(self, queued_frames: int) -> bool:
        """Whether the background may be repainted, with so many frames waiting to be written."""
        return queued_frames < MAX_QUEUED_FRAMES and self.balance > 0

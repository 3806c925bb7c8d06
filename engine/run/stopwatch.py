"""The engine's one clock: whose turn it is, and how long each phase of a step has had."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.run.step_times import STEP_PHASES, StepPhase, StepTimes

_DIGITS = 6  # of a second: what the journal has


class Stopwatch:
    """Counts the seconds of one phase at a time, on a clock that never goes back.

    For the engine's thread only. Called, it gives seconds of work: what holds a run stops it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds."""
        self._clock = clock
        self._phase: StepPhase = "other"
        self._since = clock()
        self._lap = dict.fromkeys(STEP_PHASES, 0.0)
        self._worked = 0.0

    def __call__(self) -> float:
        """Seconds of work since it was made, all phases but pauses."""
        self._count()
        return self._worked

    @contextmanager
    def during(self, phase: StepPhase) -> Iterator[None]:
        """Count as ``phase`` what is done in this block, but for blocks of other phases in it.

        In a pause all counts as paused: what a person tries meanwhile is no part of a step.
        """
        before = self._phase
        self.turn(phase)
        try:
            yield
        finally:
            self._count()
            self._phase = before

    def turn(self, phase: StepPhase) -> None:
        """Count as ``phase`` from now on, up to the end of the block of ``during`` around it."""
        self._count()
        if self._phase != "paused":
            self._phase = phase

    def so_far(self, phase: StepPhase) -> float:
        """Seconds of one phase since the last lap."""
        self._count()
        return self._lap[phase]

    def lap(self) -> StepTimes:
        """Seconds of each phase since the last lap; the next one begins."""
        self._count()
        found = {phase: round(seconds, _DIGITS) for phase, seconds in self._lap.items()}
        self._lap = dict.fromkeys(STEP_PHASES, 0.0)
        return StepTimes.model_validate(found)

    def _count(self) -> None:
        now = self._clock()
        seconds, self._since = now - self._since, now
        self._lap[self._phase] += seconds
        if self._phase != "paused":
            self._worked += seconds

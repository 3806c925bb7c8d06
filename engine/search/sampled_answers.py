"""Answers of a VLM to be looked at while templates are scored: a few of them, not all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from engine.run.telemetry import SampleAnswer
from engine.vlm.interface import ScoringProgress

SECONDS = 0.4  # for which an answer stays, at least: what changes faster can't be read


class SampledAnswers:
    """The answer to be shown now: the latest, once the one before has been there for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: SampleAnswer | None = None
        self._since = 0.0

    def of(self, progress: ScoringProgress) -> SampleAnswer | None:
        """What is shown with this progress; None where the VLM writes no answers."""
        if progress.answered is not None:
            now = self._clock()
            if self._shown is None or now - self._since >= SECONDS:
                self._shown, self._since = SampleAnswer(**asdict(progress.answered)), now
        return self._shown

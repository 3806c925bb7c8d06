"""Where the time of a step went: seconds of each phase, one at a time, none counted twice.

A step lasts from the end of the one before it, so that what is journaled at its very end counts
too; the first one of a process from when the models and the seed's score are there. A step that
was cut off is in no sum, as the engine was not there to say what it took.
"""

import math
from collections.abc import Iterable
from typing import Literal, get_args

from engine.common.record import Record, Seconds

StepPhase = Literal["propose", "steer", "score", "wait", "journal", "other", "test", "paused"]
STEP_PHASES: tuple[StepPhase, ...] = get_args(StepPhase)
NOT_WORK: tuple[StepPhase, ...] = ("test", "paused")
"""Phases that are no part of ``StepFinished.seconds``: what people asked to see, and their own."""


class StepTimes(Record):
    """Seconds of each phase of a step."""

    propose: Seconds = 0.0  # the meta-prompt, the LLM's replies, and reading them
    steer: Seconds = 0.0  # the direction from P- to P+; adding it is a part of ``propose``
    score: Seconds = 0.0  # the VLM, on the training images
    wait: Seconds = 0.0  # for the LLM's server, where it said so or broke off
    journal: Seconds = 0.0  # saying what came of it: to the state, the disk and the screens
    other: Seconds = 0.0
    test: Seconds = 0.0  # the VLM, on the test images: for people only
    paused: Seconds = 0.0  # held by a person, with all that was tried meanwhile

    @property
    def work(self) -> float:
        """Seconds of all that the search itself needs: without tests and pauses."""
        return math.fsum(getattr(self, phase) for phase in STEP_PHASES if phase not in NOT_WORK)

    @property
    def total(self) -> float:
        """Seconds of all phases."""
        return math.fsum(getattr(self, phase) for phase in STEP_PHASES)

    def seconds(self, phase: StepPhase) -> float:
        """Of one phase."""
        found: float = getattr(self, phase)
        return found


def sum_of_times(times: Iterable[StepTimes | None]) -> tuple[StepTimes, int] | None:
    """Seconds of each phase over several steps, and of how many: an earlier glov measured none.

    None where no step was measured.
    """
    known = [one for one in times if one is not None]
    if not known:
        return None
    sums = {phase: math.fsum(one.seconds(phase) for one in known) for phase in STEP_PHASES}
    return StepTimes.model_validate(sums), len(known)

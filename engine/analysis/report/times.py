"""Where the time of a run went: its steps by phase, in all and each."""

from __future__ import annotations

from dataclasses import dataclass

from engine.analysis.export.exported import Exported
from engine.run.step_times import STEP_PHASES, StepPhase, StepTimes, sum_of_times

PHASE_WORDS: dict[StepPhase, str] = {
    "propose": "LLM: meta-prompt and replies",
    "steer": "LLM: direction of steering",
    "score": "VLM: training images",
    "wait": "waiting for the LLM's server",
    "journal": "journal and screens",
    "other": "other",
    "test": "VLM: test images",
    "paused": "paused",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A phase in a bar that is 100 wide."""

    phase: StepPhase
    seconds: float
    at: float
    width: float


@dataclass(frozen=True, slots=True)
class StepBar:
    """One step: its parts on the scale of the longest one."""

    step: int
    seconds: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TimesPart:
    """What the page says of times; pauses are in no bar, as they are no work."""

    measured: int  # steps
    seconds: float  # of all phases but pauses
    whole: tuple[Part, ...]
    paused: float
    steps: tuple[StepBar, ...]


def times_of(run: Exported) -> TimesPart | None:
    """None where no step was measured."""
    steps = [(done.step, done.times) for done in run.state.steps if done.times is not None]
    found = sum_of_times(times for _, times in steps)
    if found is None:
        return None
    total, measured = found
    longest = max(_unpaused(times) for _, times in steps)
    return TimesPart(
        measured,
        _unpaused(total),
        _parts(total, _unpaused(total)),
        total.paused,
        tuple(StepBar(n, _unpaused(times), _parts(times, longest)) for n, times in steps),
    )


def _unpaused(times: StepTimes) -> float:
    return times.work + times.test


def _parts(times: StepTimes, whole: float) -> tuple[Part, ...]:
    parts, at = [], 0.0
    for phase in STEP_PHASES:
        seconds = times.seconds(phase)
        if phase != "paused" and seconds > 0:
            width = 100 * seconds / whole
            parts.append(Part(phase, seconds, round(at, 2), round(width, 2)))
            at += width
    return tuple(parts)

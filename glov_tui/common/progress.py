"""How long a run will take, and durations as people read them."""

from __future__ import annotations

import time

from engine.run.state import RunState


def seconds_left(state: RunState) -> float | None:
    """Estimated seconds to the end of the run, from the mean of its last steps; None at first."""
    if not state.steps or state.config is None:
        return None
    recent = [step.seconds for step in state.steps[-10:]]
    per_step = sum(recent) / len(recent)
    now = state.paused_at or time.time()
    begun = now - state.step_started_at if state.step_begin else 0.0
    left = (state.config.steps - state.steps_done) * per_step - min(begun, per_step)
    return max(0.0, left)


def format_seconds(seconds: float | None) -> str:
    """Seconds as ``12 s``, ``3:25`` or ``1:02:03``; ``-`` where unknown."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(now: float, then: float | None) -> str:
    """Time since the last event, in its largest unit; ``-`` where unknown."""
    if then is None:
        return "-"
    seconds = max(0.0, now - then)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

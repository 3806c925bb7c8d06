"""What a screen has not been shown of the telemetry, as events.

A screen that reads slowly, or comes late, is not sent what was meanwhile: it is sent the events
whose fold is what is there now. So nothing has to be kept for it.
"""

from __future__ import annotations

from engine.run import events as ev
from engine.run.experiment import Finding, LensRead, RepliesCompared
from engine.run.experiment_state import ExperimentState
from engine.run.state import RunState


def telemetry_since(shown: RunState, now: RunState) -> list[ev.Event]:
    """Events that lead to the telemetry of ``now``.

    Args:
        shown: the state whose telemetry the screen was sent last; a new one for none.
        now: a later state of the same session. The screen has all facts up to it.
    """
    events: list[ev.Event] = []
    if now.progress is not None and now.progress is not shown.progress:
        events.append(now.progress)
    if now.machine is not None and now.machine is not shown.machine:
        events.append(now.machine)
    news = _streamed(shown, now)
    thoughts = _thought(shown, now)
    if any(news) or any(thoughts):
        streamed = ev.TokensStreamed(
            step=now.step, attempt=now.attempt, texts=news, thoughts=thoughts
        )
        events.append(streamed)
    if now.experiment is not None and now.experiment is not shown.experiment:
        events.extend(_experiment_since(shown.experiment, now.experiment))
    return events


def _streamed(shown: RunState, now: RunState) -> tuple[str, ...]:
    """What was added to each reply. Each meta-prompt begins anew."""
    return _added(shown.streams if shown.prompt is now.prompt else (), now.streams)


def _thought(shown: RunState, now: RunState) -> tuple[str, ...]:
    """What was added to each thought; empty where there are none."""
    added = _added(shown.thoughts if shown.prompt is now.prompt else (), now.thoughts)
    return added if any(added) else ()


def _added(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    before = before or ("",) * len(now)
    return tuple(text[len(known) :] for known, text in zip(before, now, strict=False))


def _experiment_since(shown: ExperimentState | None, now: ExperimentState) -> list[ev.Event]:
    events: list[ev.Event] = []
    if shown is None or not _goes_on(shown, now):
        events.append(ev.ExperimentStarted(experiment=now.experiment))
        shown = ExperimentState(now.experiment)
    found: list[Finding] = list(now.cells[len(shown.cells) :])
    if now.left is not shown.left or now.right is not shown.right:
        found.append(RepliesCompared(left=now.left, right=now.right))
    if now.lens is not shown.lens:
        found.append(LensRead(layers=now.lens))
    events += [
        ev.ExperimentProgress(done=now.done, total=now.total, found=finding) for finding in found
    ]
    if not found and (now.done, now.total) != (shown.done, shown.total):
        events.append(ev.ExperimentProgress(done=now.done, total=now.total))
    if shown.running and not now.running:
        events.append(ev.ExperimentEnded(problem=now.problem))
    return events


def _goes_on(shown: ExperimentState, now: ExperimentState) -> bool:
    """Whether it can be the same experiment; one that has ended, and another like it, is not."""
    same = shown.running and shown.experiment is now.experiment
    return same and shown.cells == now.cells[: len(shown.cells)]

"""What of a run a person wants to be told of who is elsewhere: its end, a stall, a new best.

Pure: states in, news out. Texts are of a run that anybody may have written and of an LLM, so they
are cleaned and cut here; where they go, that is all that is known of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from engine.common.harmless import clean
from engine.common.record import Count, Record, Share, UnixTime
from engine.common.wording import counted
from engine.config.notify import OCCASIONS, Occasion
from engine.run.stalling import why_stalled
from engine.run.state import RunState

LONGEST_TEXT, LONGEST_NAME, LONGEST_TEMPLATE = 300, 80, 500  # characters


class News(Record):
    """One thing that is told, once. Its texts are clean and short, and still others' words."""

    event: Occasion
    run: str
    text: str  # in one sentence
    time: UnixTime
    status: str
    step: Count  # the last one that is done
    steps: Count  # of the whole run
    best_template: str | None = None
    best_accuracy: Share | None = None  # on the training images
    seed_accuracy: Share | None = None
    test_accuracy: Share | None = None  # of the ensemble

    @property
    def title(self) -> str:
        """The run and what is told of it: ``my-run: new best``."""
        return f"{self.run}: {self.event.replace('-', ' ')}"


class Watch:
    """Looks at the states of a run in their order, and says what is news since it began."""

    def __init__(
        self,
        state: RunState,
        on: Collection[Occasion] = OCCASIONS,
        every: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        stalled_after: float = 0.0,
    ) -> None:
        """``state`` is what is known already. A new best is told of ``every`` so many seconds; a
        run that does nothing for ``stalled_after`` seconds has stalled (0: none has by that).
        """
        self._on, self._every, self._clock = frozenset(on), every, clock
        self._stalled_after = stalled_after
        self._work, self._work_at = _work_of(state), clock()
        self._is_idle_told = False
        self._status = state.status
        self._best = _best_accuracy(state)
        self._best_at = clock()
        self._steps_done = state.steps_done  # where the best was looked at last
        self._stalled_at = state.steps_done if why_waiting(state) is not None else -1

    def look(self, state: RunState) -> News | None:
        """What is to be told now, if anything is. Asked also while nothing happens."""
        before, self._status = self._status, state.status
        if state.status != before:
            if state.status == "finished":
                return self._told("finished", state, _result(state))
            if state.status == "failed":
                return self._told("failed", state, state.error or "the run failed")
            if state.status == "paused":
                return self._stall(state)
        if state.steps_done != self._steps_done and state.status == "running":
            self._steps_done = state.steps_done
            return self._new_best(state)
        return self._idle(state)

    def _idle(self, state: RunState) -> News | None:
        work, now = _work_of(state), self._clock()
        if any(a is not b for a, b in zip(work, self._work, strict=True)):
            self._work, self._work_at, self._is_idle_told = work, now, False
        for_seconds = now - self._work_at
        is_idle = state.status == "running" and 0 < self._stalled_after <= for_seconds
        if not is_idle or self._is_idle_told:
            return None
        self._is_idle_told = True
        doing = f" ({state.progress.phase})" if state.progress is not None else ""
        last = _in_words(for_seconds)
        return self._told("stalled", state, f"step {state.step}{doing}: nothing for {last}")

    def _stall(self, state: RunState) -> News | None:
        reason = why_waiting(state)
        if reason is None or self._stalled_at == state.steps_done:
            return None
        self._stalled_at = state.steps_done
        return self._told("stalled", state, f"paused: {reason}")

    def _new_best(self, state: RunState) -> News | None:
        accuracy = _best_accuracy(state)
        now = self._clock()
        best, seed = state.best, state.seed
        if best is None or accuracy <= self._best or now - self._best_at < self._every:
            return None
        if not best.first.step:  # the seed, and what was there before the first step
            return None
        self._best, self._best_at = accuracy, now
        gain = f" ({100 * (best.accuracy - seed.accuracy):+.1f})" if seed is not None else ""
        return self._told(
            "new-best", state, f"step {state.steps_done}: {best.accuracy:.1%}{gain} {best.text}"
        )

    def _told(self, event: Occasion, state: RunState, text: str) -> News | None:
        if event not in self._on:
            return None
        best, seed, tested = state.best, state.seed, state.test("ensemble")
        return News(
            event=event,
            run=_short(state.run, LONGEST_NAME),
            text=_short(text, LONGEST_TEXT),
            time=time.time(),
            status=state.status,
            step=state.steps_done,
            steps=state.config.steps if state.config is not None else 0,
            best_template=_short(best.text, LONGEST_TEMPLATE) if best is not None else None,
            best_accuracy=best.accuracy if best is not None else None,
            seed_accuracy=seed.accuracy if seed is not None else None,
            test_accuracy=tested.hits / tested.n if tested is not None else None,
        )


def _work_of(state: RunState) -> tuple[object, ...]:
    """What the engine replaces with whatever it does, and its gauges do not."""
    reply = state.prompt, state.steering, state.streams, state.thoughts, state.candidates
    run = state.status, state.scored, state.steps, state.tests, state.edits, state.experiment
    return (*reply, *run, state.progress, state.log)


def _in_words(seconds: float) -> str:
    return counted(round(seconds / 60), "minute") if seconds >= 90 else f"{seconds:.0f} s"


def why_waiting(state: RunState) -> str | None:
    """Why a run holds by itself between two steps and waits for a person; None if it does not."""
    if state.config is None or state.models is None or state.step_begin is not None:
        return None
    if state.steps_done >= state.config.steps and not state.with_pending().allowed:
        return "every template is banned, so there is none to finish with"
    return why_stalled(state)


def _best_accuracy(state: RunState) -> float:
    """By what it is at least, as for what is marked as new best on the screen."""
    return state.best.at_least if state.best is not None else 0.0


def _result(state: RunState) -> str:
    parts = [counted(state.steps_done, "step")]
    if state.best is not None:
        parts.append(f"best {state.best.accuracy:.1%}")
    tests = {test.subject: test for test in state.tests}
    on_test = [f"{subject} {test.hits / test.n:.1%}" for subject, test in tests.items()]
    if on_test:
        parts.append(f"test: {', '.join(on_test)}")
    return "; ".join(parts)


def _short(text: str, most: int) -> str:
    text = " ".join(clean(text).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."

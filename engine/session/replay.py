"""A run played back from its journal: a session without an engine, no model loaded.

The state is the fold of the facts up to a place that moves with the clock, or to where it is told
to go. It is found when it is asked for, on the asking thread: there is no other one. States at
the ends of steps are kept, at most ``KEPT_STATES`` of them, so that going back is quick and a
long run needs no more memory.
"""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from engine.common.errors import ConfigError
from engine.run import events as ev
from engine.run.commands import Command, Pause, Resume
from engine.run.state import RunState
from engine.storage.journal import journal_states, read_journal

LONGEST_GAP_SECONDS = 3.0
"""Longer waits between two facts (models that load, a person who thinks) are shortened to this."""

SPEEDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, math.inf)
"""Times the recorded speed; infinity is ten steps a second, as fast as they can be seen."""

KEPT_STATES = 100

SECONDS_PER_STEP_AT_MOST = 0.1


def parse_speed(text: str) -> float:
    """A speed as the command line has it: a number from 1 to 64, with or without x, or max.

    Raises:
        ConfigError: if it is none.
    """
    if text == "max":
        return math.inf
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not SPEEDS[0] <= speed <= SPEEDS[-2]:
        raise ConfigError(f"--speed {text}: give a number from 1 to 64, or max")
    return speed


class ReplaySession:
    """A ``Session`` of a run that was: it is played, and gone through step by step.

    ``ended`` is always true, since there is no engine to wait for.
    """

    ended = True
    label = "replay"  # what a screen calls it

    def __init__(
        self,
        folder: Path,
        events: Sequence[ev.Event],
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fold all facts once, and stand before the first step.

        Raises:
            JournalError: if they are no run's.
        """
        self.folder = folder
        self.speed = speed  # times the recorded one; infinity is the highest of ``SPEEDS``
        self.playing = False
        self._clock = clock
        self._take(events)
        self._count, self._state = self._with_notes(*self._kept[0])
        self._stand_at(1)

    @classmethod
    def open(cls, folder: Path, speed: float = 1.0) -> ReplaySession:
        """Read a run's journal; the run may be under way.

        Raises:
            JournalError: naming the file, line and what is wrong with it.
        """
        return cls(folder, read_journal(folder).events, speed)

    def _take(self, events: Sequence[ev.Event]) -> None:
        """Fold all facts, and remember states and times. A place is a count of facts."""
        self._events = tuple(events)
        counted = list(enumerate(self._events, start=1))
        seed = (count for count, event in counted if _measures_seed(event))
        ends = (count for count, event in counted if isinstance(event, ev.StepFinished))
        self._stops = [next(seed, 1), *ends]
        every = math.ceil(len(self._stops) / KEPT_STATES)
        wanted = {1, *self._stops[::every]}
        self._kept = []
        for count, state in enumerate(journal_states(self.folder, self._events), start=1):
            if count in wanted:
                self._kept.append((count, state))
            self._notes = state.notes
        seconds, self._recorded = 0.0, [0.0, 0.0]  # when a place is reached
        for before, after in pairwise(self._events):
            seconds += min(max(0.0, after.time - before.time), LONGEST_GAP_SECONDS)
            self._recorded.append(seconds)
        self._even = [
            SECONDS_PER_STEP_AT_MOST * bisect.bisect_left(self._stops, count)
            for count in range(len(self._events) + 1)
        ]

    # -- as a session ------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """The state at the present place; the same object while that stays."""
        place = self._place()
        if place != self._count:
            self._count, self._state = self._with_notes(place, self._at(place))
        return self._state

    @property
    def facts(self) -> tuple[ev.Event, ...]:
        """All facts up to where ``state`` was found last."""
        return self._events[: self._count]

    def start(self) -> None:
        """Begin to play."""
        self.play()

    def send(self, command: Command) -> None:
        """Pause and go on; what needs an engine does nothing."""
        match command:
            case Pause():
                self.pause()
            case Resume():
                self.play()

    def wait(self, seconds: float | None = None) -> bool:
        """There is nothing to wait for."""
        return True

    # -- as a player -------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps that were done in the whole journal."""
        return len(self._stops) - 1

    @property
    def step(self) -> int:
        """The last step that is done at the present place; 0 before the first one is."""
        return max(0, bisect.bisect_right(self._stops, self._place()) - 1)

    @property
    def at_end(self) -> bool:
        """Whether all facts are there."""
        return self._place() == len(self._events)

    def play(self) -> None:
        """Play on from the present place; from the beginning, if that is the end."""
        if self.at_end:
            self._stand_at(1)
        self._stand_at(self._place())
        self.playing = True

    def pause(self) -> None:
        """Stay at the present place."""
        self._stand_at(self._place())
        self.playing = False

    def change_speed(self, by: int) -> None:
        """Take the next higher or lower speed of ``SPEEDS``."""
        place = self._place()
        others = [s for s in SPEEDS if (s > self.speed if by > 0 else s < self.speed)]
        if others:
            self.speed = others[0] if by > 0 else others[-1]
        self._stand_at(place)

    def go_to(self, step: int) -> None:
        """Go to the end of a step, 0 to ``steps``."""
        self._stand_at(self._stops[min(max(step, 0), self.steps)])

    def go_by(self, by: int) -> None:
        """Go that many ends of steps on or back; after the last one there is the run's end."""
        places = [*self._stops]
        if places[-1] < len(self._events):
            places.append(len(self._events))
        if by > 0:
            index = bisect.bisect_right(places, self._place()) - 1 + by
        else:
            index = bisect.bisect_left(places, self._place()) + by
        self._stand_at(places[min(max(index, 0), len(places) - 1)])

    def go_to_end(self) -> None:
        """Go to where the journal ends."""
        self._stand_at(len(self._events))

    def reload(self) -> None:
        """Read what a run that is under way has journaled since, and stay where it is.

        Raises:
            JournalError: as for ``open``.
        """
        events = read_journal(self.folder).events
        if len(events) > len(self._events):
            self._stand_at(self._place())
            self._take(events)
            self._count, self._state = self._with_notes(self._count, self._state)

    def _stand_at(self, place: int) -> None:
        self._standing, self._since = place, self._clock()

    def _place(self) -> int:
        """How many facts are there now."""
        if not self.playing:
            return self._standing
        times = self._even if math.isinf(self.speed) else self._recorded
        factor = 1.0 if math.isinf(self.speed) else self.speed
        now = times[self._standing] + (self._clock() - self._since) * factor
        place = max(self._standing, bisect.bisect_right(times, now) - 1)
        if place == len(self._events):
            self.playing = False
            self._stand_at(place)
        return place

    def _with_notes(self, place: int, state: RunState) -> tuple[int, RunState]:
        """With all notes there are: who looks back wants to read what was noted since."""
        same = state.notes == self._notes
        return place, state if same else replace(state, notes=self._notes)

    def _at(self, place: int) -> RunState:
        kept = bisect.bisect_right(self._kept, place, key=lambda known: known[0]) - 1
        count, state = self._kept[kept]
        if count <= self._count <= place:
            count, state = self._count, self._state
        return state.apply_all(self._events[count:place])


def _measures_seed(event: ev.Event) -> bool:
    return isinstance(event, ev.TestMeasured) and event.subject == "seed"

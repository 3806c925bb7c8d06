"""What an engine says of its run: folded, appended to the journal, and shown, in this order.

The published state is immutable and replaced as a whole, so that readers poll it without a lock
and never hold up the engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from engine.common.errors import UserError
from engine.run import events as ev
from engine.run.emitting import Emitted, Steps, together
from engine.run.state import RunState
from engine.run.stopwatch import Stopwatch
from engine.session.giving_up import Load
from engine.storage.journal import Journal
from engine.storage.summary import Published, keep_summary_of

OnEvent = Callable[[ev.Event, RunState], None]
"""Takes an event and the state after it, on the thread that says it; returns soon, never raises."""


class StopRequested(BaseException):
    """Unwinds the engine's thread to its end; nobody on the way takes it for an error."""


class Publisher:
    """A run's journal, its latest state, and who is told of each event."""

    def __init__(
        self, journal: Journal, state: RunState, on_event: OnEvent | None, load: Load
    ) -> None:
        self.clock = Stopwatch()  # of the engine's thread
        self.journal = journal
        self.published = Published(journal.size, state)  # the state, and how far it is journaled
        self.on_event = on_event
        self._load = load
        self._ended = False

    @property
    def state(self) -> RunState:
        """The latest state; never changes under the reader."""
        return self.published.state

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.journal.folder

    def add_listener(self, listener: OnEvent) -> None:
        """Tell one more of each event, after those who are told already."""
        first = self.on_event

        def both(event: ev.Event, state: RunState) -> None:
            if first is not None:
                first(event, state)
            listener(event, state)

        self.on_event = both

    def show(self, event: ev.Event) -> None:
        """Tell of an event that is in the journal and in the state already."""
        if self.on_event is not None:
            self.on_event(event, self.state)

    def publish(self, *events: ev.Event) -> None:
        """Say what belongs together, in one append.

        Raises:
            StopRequested: if the engine was given up, so that it has no say any more.
            JournalError: if the journal can't be written.
            ValueError: if the events can't be folded; none of them is said then.
        """
        with self.clock.during("journal"), self._load.lock:
            if self._load.given_up:
                raise StopRequested
            self._say(*events)

    def sync(self) -> None:
        """Have all facts on the disk itself, as ``Journal.sync``."""
        with self.clock.during("journal"):
            self.journal.sync()

    def tell(self, event: ev.Event) -> bool:
        """Say something that is no fact, from any thread; False once the run has ended."""
        with self._load.lock:
            if self._ended or self._load.given_up:
                return False
            self._say(event)
            return True

    def publish_all(
        self, steps: Steps[RunState], at_safe_point: Callable[[], None] | None = None
    ) -> None:
        """Run one generator of a search to its end; each of its yields is a safe point."""
        with contextlib.closing(steps):
            try:
                emitted: Emitted = next(steps)
                while True:
                    self.publish(*together(emitted))
                    if at_safe_point is not None:
                        at_safe_point()
                    emitted = steps.send(self.state)
            except StopIteration:
                return

    def end(self, event: ev.Event | None) -> None:
        """Say how the run ended, if that is not said yet, and close its journal."""
        self._ended = True
        try:
            try:
                if event is not None:
                    self._say(event)
            finally:
                keep_summary_of(self.folder, self.published)  # while nobody else can go on
                self.journal.close()
        except UserError as error:  # the journal itself can't be written
            event = ev.RunFailed(message=str(error))
            state = self.state.apply(event)
            self.published = Published(self.journal.size, state, unwritten=event)
            self.show(event)

    def _say(self, *events: ev.Event) -> None:
        """Fold, then append, then show: what can't be folded must not get into the journal."""
        state, states = self.state, []
        for event in events:
            state = state.apply(event)
            states.append(state)
        facts = [event for event in events if event.is_fact]
        if facts:
            self.journal.append(*facts)
        self.published = Published(self.journal.size, state)
        if self.on_event is not None:
            for event, after in zip(events, states, strict=True):
                self.on_event(event, after)

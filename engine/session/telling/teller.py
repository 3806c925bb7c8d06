"""What a run's engine tells its user by a program or a web address of the user's own file.

    with telling(session):
        session.start()
        session.wait()

Nothing of it can harm the run: what goes wrong is a line of the log, and the program and the
address are asked on threads of their own.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine.common.errors import UserError
from engine.common.files import append_private
from engine.common.stop_signals import stop_on_signal
from engine.config.notify import NotifyConfig, read_notify
from engine.run import events as ev
from engine.run.news import News, Watch
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.session.telling.command import run_command
from engine.session.telling.delivery import Delivery
from engine.session.telling.webhook import post
from engine.storage.quiet import is_quiet
from engine.storage.run_folder import LOG

if TYPE_CHECKING:
    from engine.session.local import LocalSession

T = TypeVar("T")

LAST_SECONDS = 60.0
"""How long a process waits, after the run has ended, for the last news to get through."""

LOOK_SECONDS = 20.0
"""The longest between two looks at whether the engine does anything."""

PATIENCE_SECONDS = 2.0  # of who waits for it and is not told why
STILL_TELLING = "waiting for your command or webhook to take the last news; ctrl+c ends that"

_LOOKED_AT = (ev.StepFinished, ev.RunPaused, ev.RunFailed, ev.RunFinished)


class Teller:
    """Listens to a run, and has its news brought to whoever the settings name."""

    def __init__(
        self,
        settings: NotifyConfig,
        session: LocalSession,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What can't tell is warned of in the run: before it is started."""
        self._session, self._folder = session, session.folder
        after = settings.stalled_after
        self._watch = Watch(session.state, settings.on, settings.every, clock, after)
        self._looks_each = min(max(after / 10, 0.01), LOOK_SECONDS) if after else None
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._closed = threading.Event()
        self._reported: set[str] = set()
        self._deliveries: list[Delivery] = []
        program, address = self._usable(settings.program), self._usable(settings.address)
        if program:
            self._deliveries.append(
                Delivery(
                    "notify-command",
                    lambda news, wait: run_command(
                        program, news, self._folder, settings.timeout, is_over=lambda: wait(0.0)
                    ),
                    self._report,
                )
            )
        if address is not None:
            self._deliveries.append(
                Delivery(
                    "notify-webhook",
                    lambda news, wait: post(
                        address, news, settings.timeout, settings.retries, wait
                    ),
                    self._report,
                )
            )

    def _usable(self, found: Callable[[], T]) -> T | None:
        """The one of them that is wrong does not keep the other back."""
        try:
            return found()
        except UserError as error:
            if self._session.state.status != "finished":
                self._session.warn(f"{error}; nobody is told of this run by it")
            return None

    @property
    def has_work(self) -> bool:
        """Whether anybody is told."""
        return bool(self._deliveries)

    def start(self) -> None:
        """Begin to listen; before the session is started."""
        for delivery in self._deliveries:
            delivery.start()
        self._session.listen(self._heard)
        if self._looks_each is not None:
            threading.Thread(target=self._look_on, name="glov-stall-watch", daemon=True).start()

    def close(self, seconds: float = LAST_SECONDS) -> None:
        """Have the last news brought, for at most so long."""
        began = time.monotonic()
        self._closed.set()
        for delivery in self._deliveries:
            if not delivery.close(began + seconds):
                took = min(seconds, time.monotonic() - began)
                self._report(f"{delivery.name}: the last news were not brought in {took:.0f} s")

    def give_up(self) -> None:
        """Bring nothing more; a program that is under way is ended."""
        for delivery in self._deliveries:
            delivery.give_up()

    def _heard(self, event: ev.Event, state: RunState) -> None:
        """On the engine's thread; never raises."""
        if isinstance(event, _LOOKED_AT):
            self._look(state)

    def _look_on(self) -> None:
        """An engine that hangs is heard nothing of, so it is looked at."""
        while not self._closed.wait(self._looks_each):
            self._look(self._session.state)

    def _look(self, state: RunState) -> None:
        with contextlib.suppress(Exception), self._looking:
            news = self._watch.look(state)
            if news is not None and not is_quiet(self._folder):
                self._bring(news)

    def _bring(self, news: News) -> None:
        for delivery in self._deliveries:
            delivery.put(news)

    def _report(self, wrong: str) -> None:
        """A line in the run's log, each only once; what a program printed is in its file only."""
        said = f"telling failed: {wrong.partition(chr(10))[0].rstrip(':')}"
        with self._lock:
            is_new = said not in self._reported
            self._reported.add(said)
        _append(self._folder, wrong)
        if is_new and self._session.state.status not in ENDED:
            self._session.report(said)


def _append(folder: Path, wrong: str) -> None:
    with contextlib.suppress(OSError):
        append_private(folder / LOG, f"{datetime.now():%F %T} telling failed: {wrong}\n")


@contextlib.contextmanager
def telling(
    session: LocalSession,
    last_seconds: float = LAST_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Tell what the user's file names of a session that is not started, while this is entered.

    On the main thread: ctrl+c and SIGTERM end the wait for the last news, and not what is done
    after it. Who waits is told so by ``say``, on another thread.
    """
    teller = None
    try:
        teller = Teller(read_notify(), session)
    except UserError as error:
        if session.state.status != "finished":
            session.warn(f"nobody is told of this run: {error}")
    if teller is None or not teller.has_work:
        yield
        return
    teller.start()
    try:
        yield
    finally:
        waits = threading.Timer(PATIENCE_SECONDS, say, [STILL_TELLING])
        waits.daemon = True
        waits.start()
        with stop_on_signal(teller.give_up):
            teller.close(last_seconds)
        waits.cancel()

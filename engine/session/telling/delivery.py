"""A thread that brings news somewhere, one after the other, and never holds up who has them."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable

from engine.run.news import News

MOST_WAITING = 16
LOOK_SECONDS = 0.1  # between two looks whether there is no time left
LET_GO_SECONDS = 2.0  # for what is under way then to be ended


class Delivery(threading.Thread):
    """Brings news where ``bring`` brings them, which says what went wrong.

    ``bring`` is given a function that waits so many seconds, and returns true once there is no
    time left.
    """

    def __init__(
        self,
        name: str,
        bring: Callable[[News, Callable[[float], bool]], str | None],
        report: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"glov-{name}", daemon=True)
        self._bring, self._report = bring, report
        self._news: collections.deque[News] = collections.deque()
        self._changed = threading.Condition()
        self._closing = False
        self._out_of_time = threading.Event()

    def put(self, news: News) -> None:
        """Bring it soon. Of new bests that wait only the last one is worth it."""
        with self._changed:
            if news.event == "new-best":
                waiting = [one for one in self._news if one.event != "new-best"]
                self._news = collections.deque(waiting)
            if len(self._news) >= MOST_WAITING:
                self._news.popleft()
            self._news.append(news)
            self._changed.notify()

    def close(self, end: float) -> bool:
        """Bring what waits until ``end`` of the monotonic clock; returns whether all was brought.

        What is under way then is ended, or left behind where that is not possible.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        while self.is_alive() and not self._out_of_time.is_set():
            left = end - time.monotonic()
            if left <= 0:
                break
            self.join(min(left, LOOK_SECONDS))
        brought = not self.is_alive() and not self._out_of_time.is_set()
        self._out_of_time.set()
        self.join(LET_GO_SECONDS)
        return brought

    def give_up(self) -> None:
        """Bring nothing more; from any thread, and from a signal's handler."""
        self._out_of_time.set()

    def run(self) -> None:
        """Until it is closed and nothing waits any more."""
        while True:
            with self._changed:
                while not self._news and not self._closing:
                    self._changed.wait()
                if not self._news or self._out_of_time.is_set():
                    return
                news = self._news.popleft()
            try:
                wrong = self._bring(news, self._out_of_time.wait)
            except Exception as error:  # a defect of ours is no reason to tell nothing more
                wrong = f"{self.name}: {type(error).__name__}"
            if wrong is not None:
                with contextlib.suppress(Exception):
                    self._report(wrong)

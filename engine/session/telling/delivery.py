"""A thread that brings news somewhere, one after the other, and never holds up who has them."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable

from engine.run.news import News

MOST_WAITING = 16


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

        A last try that is under way then is left behind.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.join(max(0.0, end - time.monotonic()))
        self._out_of_time.set()
        return not self.is_alive()

    def run(self) -> None:
        """Until it is closed and nothing waits any more."""
        while True:
            with self._changed:
                while not self._news and not self._closing:
                    self._changed.wait()
                if not self._news:
                    return
                news = self._news.popleft()
            try:
                wrong = self._bring(news, self._out_of_time.wait)
            except Exception as error:  # a defect of ours is no reason to tell nothing more
                wrong = f"{self.name}: {type(error).__name__}"
            if wrong is not None:
                with contextlib.suppress(Exception):
                    self._report(wrong)

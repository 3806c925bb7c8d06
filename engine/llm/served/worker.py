"""A coroutine in a thread of its own, whose caller waits for it in steps and can end it.

Only so can one pause or stop between two tokens of a server that says nothing for minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

_END_SECONDS = 5.0  # that a closed connection may take


def run_in_thread(
    work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]], tick: float
) -> Generator[list[T], None, None]:
    """What ``work`` hands over by the function that it is given, as it comes.

    Args:
        work: makes the coroutine.
        tick: seconds after which an empty list is yielded where nothing came.

    Raises:
        Exception: what the coroutine raised. Closing the generator cancels it.
    """
    inbox: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(work(inbox.put))

    def main() -> None:
        error: BaseException | None = None
        try:
            loop.run_until_complete(task)
        except BaseException as raised:
            error = raised
        finally:
            with contextlib.suppress(Exception):
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            inbox.put(_End(error))

    thread = threading.Thread(target=main, name="glov-server", daemon=True)
    thread.start()
    try:
        while True:
            end, found = _drained(inbox, tick)
            if found or end is None:
                yield found
            if end is not None:
                if end.error is not None:
                    raise end.error
                return
    finally:
        if thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(task.cancel)
            thread.join(_END_SECONDS)


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _drained(inbox: queue.SimpleQueue[T | _End], tick: float) -> tuple[_End | None, list[T]]:
    """All that is there, after ``tick`` seconds at most."""
    found: list[T] = []
    try:
        item = inbox.get(timeout=tick)
        while not isinstance(item, _End):
            found.append(item)
            item = inbox.get(block=False)
    except queue.Empty:
        return None, found
    return item, found

"""How tests wait: for what shall come, never for a time.

A busy machine is ten times slower than a quiet one, and nothing that is tested depends on it. The
ceiling is for what never comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

CEILING_SECONDS = 600.0

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str = "") -> T:
    """Wait until ``condition`` holds, and return its value.

    Raises:
        AssertionError: if it does not come to.
    """
    end = time.monotonic() + CEILING_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain: {what or condition}"
        time.sleep(0.01)
    return value


async def until(condition: Callable[[], T], what: str = "") -> T:
    """As ``wait_until``, while the event loop goes on."""
    end = time.monotonic() + CEILING_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain: {what or condition}"
        await asyncio.sleep(0.01)
    return value

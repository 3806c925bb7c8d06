"""Generators that work step by step, run to their ends."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any


def finished(work: Generator[Any, None, Any]) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value

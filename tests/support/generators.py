"""Generators that work step by step, run to their ends."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any


def run_through(work: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """What a generator yields, and what it returns."""
    yielded = []
    while True:
        try:
            yielded.append(next(work))
        except StopIteration as end:
            return yielded, end.value


def finished(work: Generator[Any, None, Any]) -> Any:
    """What a generator returns."""
    return run_through(work)[1]

"""Generators that work step by step, run to their ends."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Y = TypeVar("Y")


def result_of(work: Generator[Y, Any, T], tell: Callable[[Y], object] = lambda _: None) -> T:
    """What a generator returns; ``tell`` gets what it yields."""
    while True:
        try:
            tell(next(work))
        except StopIteration as finished:
            result: T = finished.value
            return result

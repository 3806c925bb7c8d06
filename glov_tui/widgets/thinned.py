"""A list that only grows, as the few of its items that a chart can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 1024
"""Places on the x axis: more than any terminal has dots."""


class Thinned(Generic[T]):
    """Items by their place on the x axis; where there are many, several share one.

    Each place keeps the items that tell what was there. So a chart of a long run takes no longer
    to draw than one of ``MOST`` items, and each new item is looked at once.
    """

    def __init__(self, x: Callable[[T], int], telling: Callable[[list[T]], list[T]]) -> None:
        """
        Args:
            x: where an item is, from 0, never below the item before it.
            telling: which of the items of one place are kept.
        """
        self._x, self._telling = x, telling
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._width = 1  # of a place
        self._places: dict[int, list[T]] = {}
        self._seen: Sequence[T] = ()

    def those_of(self, items: Sequence[T]) -> list[T]:
        """The telling ones among all ``items``: those of the last call and what has come since,
        or others.
        """
        known = len(self._seen)
        if known and (len(items) < known or items[known - 1] is not self._seen[-1]):
            self._begin_anew()
        for item in items[len(self._seen) :]:
            self._put(item)
        self._seen = items
        return [item for place in self._places.values() for item in place]

    def _put(self, item: T) -> None:
        place = self._places.setdefault(self._x(item) // self._width, [])
        place.append(item)
        if len(place) > 1:
            place[:] = self._telling(place)
        if len(self._places) > MOST:
            self._width *= 2
            before, self._places = self._places, {}
            for items in before.values():
                self._places.setdefault(self._x(items[0]) // self._width, []).extend(items)
            for items in self._places.values():
                items[:] = self._telling(items)

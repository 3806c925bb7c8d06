"""What is loaded for one run and kept for the next one that asks for the same."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """One loaded thing of each kind, with the configuration section that it was loaded from.

    Another one takes its place, and the old one is let go before the new one is loaded: two may
    not fit in memory. What is kept must hold no state of a run. One thread at a time.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[object, Any]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been loaded."""
        return not self._held

    def holds(self, kind: str, section: object) -> bool:
        """Whether something was loaded for an equal ``section``, so that ``get`` loads nothing."""
        return kind in self._held and self._held[kind][0] == section

    def get(self, kind: str, section: object, load: Callable[[], T]) -> T:
        """What was loaded for an equal ``section``, or what ``load`` gives, kept from now on."""
        if kind in self._held:
            known, value = self._held[kind]
            if known == section:
                return value  # type: ignore[no-any-return]
            del self._held[kind], value
            gc.collect()  # models are full of reference cycles
        loaded = load()
        self._held[kind] = (section, loaded)
        return loaded

"""A room of so many bytes, in which what is used most often stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_USES_MORE = 2
"""By how many uses a newcomer displaces what is held. All images are used in turn, again and again:
one more would have each displaced just before it is used, so that none were ever found."""


class Room(Generic[T]):
    """Values by name, as many as fit.

    What is held stays, unless the newcomer was asked for more often: in scans of more than fits, a
    share of it is found every time.
    """

    def __init__(self, most: int) -> None:
        """``most`` bytes are held."""
        self.most = most
        self.bytes = 0
        self._held: dict[str, tuple[T, int]] = {}
        self._uses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, name: str) -> bool:
        """Whether it is held; no use."""
        return name in self._held

    def get(self, name: str) -> T | None:
        """What is held under a name. It counts as a use also where nothing is."""
        self._uses[name] += 1
        found = self._held.get(name)
        return None if found is None else found[0]

    def fits(self, name: str, size: int) -> bool:
        """Whether a value of ``size`` bytes would be held: there is room, or used less often."""
        missing = self.bytes + size - self.most
        return missing <= 0 or self._going(missing, self._uses[name] - _USES_MORE) is not None

    def put(self, name: str, value: T, size: int) -> bool:
        """Hold a value of ``size`` bytes, if it fits; what was used less makes room."""
        if name in self._held:
            return True
        missing = self.bytes + size - self.most
        going = self._going(missing, self._uses[name] - _USES_MORE) if missing > 0 else []
        if going is None:
            return False
        self._drop(going)
        self._held[name] = (value, size)
        self.bytes += size
        return True

    def shrink(self, most: int) -> None:
        """Hold at most so many bytes from now on; what was used least goes."""
        self.most = most
        going = self._going(self.bytes - most, max(self._uses.values(), default=0))
        self._drop(list(self._held) if going is None else going)

    def _going(self, missing: int, most_uses: int) -> list[str] | None:
        """Names that make room of ``missing`` bytes, of what was used at most so often; None if
        these are too few.
        """
        going: list[str] = []
        if most_uses > 0:
            own = [(self._uses[name], name) for name in self._held]
            for _, name in sorted(entry for entry in own if entry[0] <= most_uses):
                if missing <= 0:
                    break
                going.append(name)
                missing -= self._held[name][1]
        return None if missing > 0 else going

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self.bytes -= self._held.pop(name)[1]

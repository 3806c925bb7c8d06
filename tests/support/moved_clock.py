"""A clock that only the test moves."""

from __future__ import annotations


class MovedClock:
    """Seconds that never pass by themselves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """So much later."""
        self.now += seconds

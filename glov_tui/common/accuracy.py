"""Accuracies as they are told to people: each with what it may be as well."""

from __future__ import annotations

from collections.abc import Sequence


def with_interval(share: float | None, interval: Sequence[float] | None) -> str:
    """A share, 0 to 1, and its interval in percent: ``50.0% (40-60)``; ``-`` where not known."""
    if share is None or interval is None:
        return "-"
    low, high = interval
    return f"{share:.1%} ({100 * low:.0f}-{100 * high:.0f})"

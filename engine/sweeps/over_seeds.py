"""Runs that differ in nothing but the seed: what sweeps and comparisons are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from engine.common.record import Positive, Share
from engine.storage.run_record import Metric, RunRecord
from engine.sweeps.grid import describe

if TYPE_CHECKING:  # arithmetic is not for a first paint: numpy takes a while to load
    from engine.common.statistics import Spread


class SpreadFacts(TypedDict):
    """One metric over runs that differ in nothing but the seed."""

    runs: Positive
    mean: Share
    deviation: Share | None  # n - 1 in the denominator; null for one run
    low: Share
    high: Share


@dataclass(frozen=True)
class OverSeeds:
    """Such runs, with the values by configuration key that tell them from others."""

    values: dict[str, Any]
    runs: tuple[RunRecord, ...]

    @property
    def name(self) -> str:
        """The values on one line."""
        return describe(self.values) or "all runs"

    def spread(self, metric: Metric) -> Spread | None:
        """Mean and spread over the runs that have the metric; None where none has."""
        from engine.common.statistics import spread

        return spread([v for run in self.runs if (v := run.values[metric]) is not None])


def spread_facts(found: Spread) -> SpreadFacts:
    """A spread as plain data for ``--json``."""
    return {
        "runs": found.n,
        "mean": found.mean,
        "deviation": found.deviation,
        "low": found.low,
        "high": found.high,
    }

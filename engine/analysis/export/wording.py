"""Numbers and words that a reader of an exported page sees."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from engine.common.intervals import wilson_interval
from engine.run.events import TestMeasured
from engine.run.ranking import ScoredTemplate


def percent(share: float | None) -> str:
    """``90.1 %``; a dash for what is not known."""
    return "–" if share is None else f"{share:.1%}".replace("%", "\u00a0%")


def interval(ends: tuple[float, float]) -> str:
    """``87.3 to 92.0 %``."""
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}\u00a0%"


def test_interval(measured: TestMeasured) -> str:
    """The same of a test measurement: 95 %, Wilson's."""
    return interval(wilson_interval(measured.hits, measured.n))


def origin(template: ScoredTemplate) -> str:
    """Where a template came from, in one or two words."""
    match template.origin:
        case "seed":
            return "seed"
        case "listed":
            return "data set's list"
        case "llm":
            return "LLM"
        case "human":
            return "a person"


def moment(at: float) -> str:
    """A Unix time as ``2026-11-29 14:05 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def members(templates: Sequence[str]) -> list[tuple[int, str]]:
    """How often each template of an ensemble counts, in their order."""
    return [(count, template) for template, count in Counter(templates).items()]

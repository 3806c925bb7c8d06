"""What experiments of the steering lab found, out of their events."""

from __future__ import annotations

from collections.abc import Iterable

from engine.run import events as ev
from engine.run.experiment import CellMeasured


def cells_of(events: Iterable[ev.Event]) -> list[CellMeasured]:
    found = (e.found for e in events if isinstance(e, ev.ExperimentProgress))
    return [cell for cell in found if isinstance(cell, CellMeasured)]

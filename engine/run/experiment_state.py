"""The steering lab's part of a run's state: the fold of an experiment's telemetry."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.run import events as ev
from engine.run.experiment import CellMeasured, Experiment, Finding, LensRead, RepliesCompared
from engine.steering.measures import LayerLens, TracedReply


@dataclass(frozen=True, slots=True)
class ExperimentState:
    """What the steering lab tries or has tried last."""

    experiment: Experiment
    running: bool = True
    done: int = 0
    total: int = 0
    left: tuple[TracedReply, ...] = ()
    right: tuple[TracedReply, ...] = ()
    cells: tuple[CellMeasured, ...] = ()
    lens: tuple[LayerLens, ...] = ()
    problem: str | None = None

    def apply(self, event: ev.Event) -> ExperimentState:
        """The state after an event of the experiment."""
        match event:
            case ev.ExperimentProgress():
                return replace(self, done=event.done, total=event.total)._with(event.found)
            case ev.ExperimentEnded():
                return replace(self, running=False, problem=event.problem)
        return self

    def _with(self, found: Finding | None) -> ExperimentState:
        match found:
            case RepliesCompared():
                return replace(self, left=found.left, right=found.right)
            case CellMeasured():
                return replace(self, cells=(*self.cells, found))
            case LensRead():
                return replace(self, lens=found.layers)
        return self

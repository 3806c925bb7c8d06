"""The steering lab's part of a run's state: the fold of an experiment's telemetry."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.run import events as ev
from engine.run.experiment import CellMeasured, Experiment
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
                return replace(self, done=event.done, total=event.total)
            case ev.RepliesCompared():
                return replace(self, left=event.left, right=event.right)
            case ev.SettingMeasured():
                return replace(self, cells=(*self.cells, event.cell))
            case ev.LensRead():
                return replace(self, lens=event.layers)
            case ev.ExperimentEnded():
                return replace(self, running=False, problem=event.problem)
        return self

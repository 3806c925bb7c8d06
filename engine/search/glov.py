"""GLOV: in-context examples of the whole run, and steering from P- to P+ (docs/glov.md)."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.common.errors import ModelError
from engine.config import SteeringConfig
from engine.config.steered_layers import resolve_layers
from engine.llm.refusals import not_steerable
from engine.run import events as ev
from engine.run.alpha_trials import TrialSetting, choose_alpha
from engine.run.emitting import Steps, emit
from engine.run.ranking import best_and_worst
from engine.run.state import RunState
from engine.search.proposing import Examples, ProposingSearch, configuration, derive_seed
from engine.steering.direction import Direction, Steering

_KEPT_DIRECTIONS = 2  # of the step before and of this one


@dataclass
class GlovSearch(ProposingSearch):
    """The paper's search."""

    _directions: dict[tuple[str, str, str, bool], Direction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        steering = self.config.steering
        if steering.mode == "off":
            return
        if self.llm.layers == 0:
            raise ModelError(
                f"{not_steerable(self.llm.name, self.config.llm.kind)}. Set steering.mode = off, "
                "or choose another model"
            )
        resolve_layers(steering, self.llm.layers)

    @staticmethod
    def examples(state: RunState, step: int) -> Examples:
        """The best and worst templates of the whole run (docs/glov.md, 2)."""
        new = {t.key for t in state.scored.since(step)}
        known = [t for t in state.allowed if t.key not in new] if new else state.allowed
        k = configuration(state).proposal.examples
        return best_and_worst(known, k, state.pinned, state.has_partial)

    def steer(self, state: RunState, step: int) -> Steps[tuple[RunState, Steering | None]]:
        """From P- to P+, once a template has beaten the seed template."""
        config = configuration(state).steering
        if config.mode == "off" or state.anchors is None:
            return state, None  # no steering until the first improvement over the seed
        layers = resolve_layers(config, self.llm.layers)
        positive, negative = (state.find(key) for key in state.anchors)
        if positive is None or negative is None:
            raise ValueError(f"anchors {state.anchors} are not among the scored templates")
        state = yield from emit(state, ev.Progress(phase="steering"))
        direction = self._direction(positive.text, negative.text, config)
        trials: tuple[ev.AlphaTrial, ...] = ()
        if config.alpha == "auto":
            setting = TrialSetting(config.mode, config.pool, layers, config.alpha_unit)
            trials = state.trials.get(setting, ())
            # Attempt 0 is no reply's; all attempts of a step share the choice.
            alpha = choose_alpha(config.alphas, trials, derive_seed(self.config.seed, step, 0, 0))
        else:
            alpha = config.alpha
        event = ev.SteeringPrepared(
            step=step,
            positive=positive.key,
            negative=negative.key,
            mode=config.mode,
            pool=config.pool,
            layers=layers,
            alpha=alpha,
            alpha_unit=config.alpha_unit,
            **direction.figures(layers),
            previous_cosines=self._previous_cosines(state, direction),
            trials=trials,
        )
        state = yield from emit(state, event)
        return state, Steering(direction, layers, alpha, config.mode, config.alpha_unit)

    def _direction(self, positive: str, negative: str, steering: SteeringConfig) -> Direction:
        """From the hidden states of two templates; kept while the anchors stay."""
        aligned = steering.mode == "actadd"
        key = (positive, negative, steering.pool, aligned)
        if key not in self._directions:
            found = self.llm.direction(positive, negative, steering.pool, aligned)
            kept = list(self._directions.items())[-_KEPT_DIRECTIONS + 1 :]
            self._directions = dict([*kept, (key, found)])
        return self._directions[key]

    def _previous_cosines(self, state: RunState, direction: Direction) -> tuple[float, ...]:
        """With the direction of the last steered step; computed anew after a resume."""
        before = state.steering_before
        if before is None:
            return ()
        positive, negative = (state.find(key) for key in (before.positive, before.negative))
        if positive is None or negative is None:
            return ()
        steering = configuration(state).steering.model_copy(
            update={"pool": before.pool, "mode": before.mode}
        )
        return direction.cosines(self._direction(positive.text, negative.text, steering))

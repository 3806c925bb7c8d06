"""What is said of a run's steering over time: why there is none, and the numbers of a cell."""

from __future__ import annotations

from collections.abc import Sequence

from engine.common.wording import counted
from engine.run.alpha_trials import pooled_spread, standard_error
from engine.run.asked import Steered
from engine.run.events import AlphaTrial, Edited
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.search.registry import find_search
from engine.steering.modes import MODES
from glov_tui.cockpit.bound_keys import KeyOf
from glov_tui.cockpit.steering_steps import Column, Measure, SteeringStep, edits_by_step
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean


def why_empty(state: RunState, key: KeyOf) -> str:
    """Why there is nothing to show yet, or never will be; ``key`` gives that of an action."""
    config = state.config
    if config is None:
        return "The run has not begun."
    if not find_search(config).steers:
        return f"The search {config.search.kind} never steers: there is nothing to show here."
    if config.llm.is_served:
        return (
            "The LLM is on a server: its hidden states are out of reach, so no run with it is "
            "steered. With an LLM of transformers (llm.kind = transformers) the map is here."
        )
    if state.models is not None and not state.models.llm_layers:
        return "This LLM can't be steered: its hidden states are out of reach."
    ended = state.status in ENDED
    if config.steering.mode == "off":
        chooses = "" if ended else f" {key('mode')} in the cockpit chooses a mode."
        return f"steering.mode is off: no step is steered.{chooses}"
    if ended:
        why = (
            "no template beat the seed template, and steering begins with the first that does"
            if state.anchors is None
            else "the first template that beats the seed template came in the last step"
        )
        return f"No step was steered: {why}."
    return (
        "No step was steered yet: steering begins with the first template that beats the seed "
        "template. Then each step is a column here, and each decoder layer a row."
    )


def _why_no_effect(state: RunState, steps: Sequence[SteeringStep]) -> str:
    """Why KL and changed tokens are missing from steered steps."""
    last = next(step for step in reversed(steps) if step.steered is not None)
    mode = last.steered.mode if last.steered is not None else ""
    if all(step.steered.alpha == 0 for step in steps if step.steered is not None):
        return (
            "no effect: with alpha 0 nothing is added, and the replies are those without steering"
        )
    if mode in MODES and not MODES[mode].clean_cache:
        return (
            f"effect not measured: {mode} leaves its offset in the KV cache, so that no token is "
            "read without it too"
        )
    if state.step_begin is not None and last.step == state.step:
        if state.status in ENDED:
            return "effect not measured: the step was cut off"
        return "effect not measured yet: the replies are being written"
    return "effect not measured: this LLM was not read with and without steering at once"


def about_cell(
    state: RunState,
    layer: int,
    column: Column,
    steps: Sequence[SteeringStep],
    glyphs: Glyphs,
) -> list[str]:
    """The numbers of a cell, in up to four lines."""
    several = column.first != column.last
    where = f"steps {column.first}-{column.last}" if several else f"step {column.first}"
    steered = [step.steered for step in steps if step.steered is not None]
    if not steered:
        lines = [f"{where}, layer {layer}: not steered"]
    else:
        norms, ratios = (_column_mean(steps, measure, layer) for measure in ("norm", "ratio"))
        mark = f" {glyphs.layer}" if layer in column.layers else ""
        of = f" (means of {len(steered)} steered)" if several else ""
        lines = [
            f"{where}, layer {layer}{mark}{of}: norm {norms:.4g}, {ratios:.1%} of the hidden states"
        ]
        lines.append(_effect(state, column, steps))
        lines.append(_settings(steered, column))
    edits = [
        edited
        for step, some in sorted(edits_by_step(state.edits).items())
        if column.first <= step <= column.last
        for edited in some
    ]
    if edits:
        told = "; ".join(_edit(edited) for edited in edits)
        lines.append(f"edited: {told}")
    return lines


def _column_mean(steps: Sequence[SteeringStep], measure: Measure, layer: int) -> float:
    values = [one[layer] for step in steps if layer < len(one := step.values(measure))]
    return sum(values) / len(values) if values else float("nan")


def _effect(state: RunState, column: Column, steps: Sequence[SteeringStep]) -> str:
    if column.kl is None or column.changed is None:
        return _why_no_effect(state, steps)
    tokens = sum(step.effect.tokens for step in steps if step.effect is not None)
    return (
        f"KL {column.kl:.3f} nats a token, {column.changed:.1%} of "
        f"{counted(tokens, 'token')} changed"
    )


def _settings(steered: Sequence[Steered], column: Column) -> str:
    last = steered[-1]
    layers = ", ".join(map(str, sorted(column.layers)))
    alphas = sorted({one.alpha for one in steered})
    alpha = f"{alphas[0]:g}" if len(alphas) == 1 else f"{alphas[0]:g} to {alphas[-1]:g}"
    unit = " of the norm" if last.alpha_unit == "relative" else ""
    plural = "s" if len(column.layers) > 1 else ""
    modes = " and ".join(dict.fromkeys(one.mode for one in steered))
    text = f"{modes}, layer{plural} {layers}, alpha {alpha}{unit}"
    return f"{text}; trials: {_trials(last.trials)}" if last.trials else text


def _trials(trials: Sequence[AlphaTrial]) -> str:
    """What each alpha had earned when this one was chosen, in points of accuracy."""
    spread = pooled_spread(trials)
    return ", ".join(
        f"{one.alpha:g} {100 * one.reward:+.1f}+-{100 * standard_error(one, spread):.1f} "
        f"({one.replies})"
        for one in trials
        if one.replies
    )


def _edit(edited: Edited) -> str:
    by = f" by {clean(edited.author)}" if edited.author else ""
    return f"{clean(edited.edit.describe())}{by} (from step {edited.step})"

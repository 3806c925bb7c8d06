"""From a key to an edit: what comes next after what is chosen now, edits that wait counted in."""

from __future__ import annotations

from typing import Literal, get_args

from engine.config import SteeringMode
from engine.config.steered_layers import resolve_layers
from engine.run.edits import BanTemplate, ChooseAnchors, Edit, PinTemplate, SetOption
from engine.run.state import RunState

ALPHA_STEP = 0.25
MODES: tuple[SteeringMode, ...] = get_args(SteeringMode)


def steered_layers(state: RunState) -> tuple[int, ...]:
    """The layers that the configuration steers, empty while the model is unknown."""
    if state.config is None or state.models is None or not state.models.llm_layers:
        return ()
    return resolve_layers(state.config.steering, state.models.llm_layers)


def another_layer(state: RunState, by: int) -> list[Edit]:
    """Steer ``by`` layers later, as far as there are layers."""
    layers = steered_layers(state.with_pending())
    if not layers or state.models is None:
        return []
    last = state.models.llm_layers - 1
    moved = sorted({min(last, max(0, layer + by)) for layer in layers})
    return [SetOption(key="steering.layers", value=moved)] if moved != list(layers) else []


def another_alpha(state: RunState, by: int) -> list[Edit]:
    """Alpha changed by so many steps."""
    config = state.with_pending().config
    if config is None:
        return []
    alpha = config.steering.alpha
    if alpha == "auto":  # from the one that was chosen last
        last = state.steering or state.steering_before
        alpha = last.alpha if last is not None else config.steering.alphas[0]
    alpha = round(alpha + by * ALPHA_STEP, 4)
    return [SetOption(key="steering.alpha", value=alpha)]


def another_mode(state: RunState) -> list[Edit]:
    """The mode after the present one."""
    config = state.with_pending().config
    if config is None:
        return []
    mode = MODES[(MODES.index(config.steering.mode) + 1) % len(MODES)]
    return [SetOption(key="steering.mode", value=mode)]


def pin_toggled(state: RunState, key: str) -> Edit:
    """Pin a template, or unpin a pinned one."""
    return PinTemplate(key=key, pinned=key not in state.with_pending().pinned)


def ban_toggled(state: RunState, key: str) -> Edit:
    """Ban a template, or allow a banned one again."""
    return BanTemplate(key=key, banned=key not in state.with_pending().banned)


def anchor_held(state: RunState, key: str, which: Literal["positive", "negative"]) -> list[Edit]:
    """Hold a template as P+ or P-; the other anchor stays, or is the best other template."""
    state = state.with_pending()
    others = [t.key for t in state.allowed if t.key != key]
    if not others:
        return []
    positive, negative = state.anchors or (others[0], others[-1])
    if which == "positive":
        positive, negative = key, negative if negative != key else others[0]
    else:
        positive, negative = positive if positive != key else others[0], key
    return [ChooseAnchors(positive=positive, negative=negative)]

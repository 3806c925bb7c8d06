"""Which decoder layers a configuration steers. Light: the screen asks too."""

from __future__ import annotations

from engine.common.errors import ModelError
from engine.common.wording import counted
from engine.config import SteeringConfig

AUTO_LAYER = 17 / 32
"""Depth of the paper's best layer: layer 17 of Llama-3-8B's 32 (docs/glov.md, 4)."""


def resolve_layers(steering: SteeringConfig, n_layers: int) -> tuple[int, ...]:
    """The decoder layers to steer, 0-based.

    Raises:
        ModelError: if a configured layer is not below ``n_layers``.
    """
    layers = steering.layers
    if layers == "auto":
        return (min(n_layers - 1, int(n_layers * AUTO_LAYER)),)
    too_deep = [layer for layer in layers if layer >= n_layers]
    if too_deep:
        raise ModelError(
            f"steering.layers = {list(layers)}: the LLM has {counted(n_layers, 'decoder layer')}, "
            f"so layers are 0 to {n_layers - 1}"
        )
    return layers

"""Facts of runs whose steps were steered: norms that change with each move of the anchors."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.run import events as ev
from tests.support.sessions import loaded, one_step


def models(depth: int, config: object = None) -> list[ev.Event]:
    """A run with so many decoder layers that has just scored its seed template."""
    run, found, *others = loaded(config)
    assert isinstance(found, ev.ModelsLoaded)
    return [run, found.model_copy(update={"llm_layers": depth}), *others]


def prepared(step: int, depth: int, era: int = 0, **changes: object) -> ev.SteeringPrepared:
    """Norms are layer + 1, in each era of the anchors ten more."""
    norms = tuple(float(layer + 1 + 10 * era) for layer in range(depth))
    facts = {
        "positive": "a photo of a <category>",
        "negative": "a photo of a <category>",
        "mode": "last-token",
        "pool": "no-bos",
        "layers": (depth // 2,),
        "alpha": 0.5,
        "norms": norms,
        "ratios": tuple(norm / 1000 for norm in norms),
    }
    return ev.SteeringPrepared(step=step, **{**facts, **changes})


def measured(step: int, kl: float, changed: float = 0.25) -> ev.SteeringMeasured:
    return ev.SteeringMeasured(
        step=step, attempt=1, tokens=100, kl=kl, changed=changed, raised=(), lowered=()
    )


def steered_step(step: int, depth: int, era: int = 0, **changes: object) -> list[ev.Event]:
    """A whole step; the first in a run is better not steered."""
    begun, asked, *rest = one_step(step, {f"template {step} of a <category>.": 5})
    kl = 0.1 * (1 + math.sin(step))
    return [begun, asked, prepared(step, depth, era, **changes), measured(step, kl), *rest]


def long_run(steps: int, depth: int) -> Iterator[ev.Event]:
    """Step 1 is not steered; every tenth of the run the anchors move."""
    yield from models(depth)
    yield from one_step(1, {"template 1 of a <category>.": 5})
    for step in range(2, steps + 1):
        yield from steered_step(step, depth, 10 * step // steps)

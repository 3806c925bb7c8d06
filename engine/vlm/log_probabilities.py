"""The log-probabilities that templates give the classes: of what is kept, or scored for it."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.dataset import Split
from engine.vlm.interface import Fitness, ScoringProgress
from engine.vlm.predictions import ImagePredictions


def log_probabilities(
    fitness: Fitness, templates: Sequence[str], split: Split = "train"
) -> Generator[ScoringProgress, None, NDArray[np.float16]]:
    """Those that each template gives the classes of each image, (templates, images, classes).

    From what is kept; what is not is scored again. Images that a template was not shown are NaN.

    Raises:
        UserError, ModelError: as ``Fitness.score``.
        ValueError: if the fitness keeps nothing of a template that it has just scored.
    """
    found: dict[str, ImagePredictions] = {}
    for template in dict.fromkeys(templates):
        known = fitness.predictions(template, split)
        if known is None:
            yield from fitness.score([template], split=split)
            known = fitness.predictions(template, split)
        if known is None:
            raise ValueError(f"{fitness.name} keeps no predictions")
        found[template] = known
    return np.stack([found[template].log_probabilities for template in templates])

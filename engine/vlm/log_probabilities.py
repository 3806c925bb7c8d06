"""The log-probabilities that templates give the classes: of what is kept, or scored for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from engine.data.dataset import Split
from engine.vlm.interface import Fitness, ScoringProgress
from engine.vlm.predictions import ImagePredictions

_AT_ONCE = 16
"""Templates that are scored together, where there is room to keep what they make of the images."""


Rows = Sequence[int] | None
"""Indices of images of a split; None: all of them."""


def kept_predictions(
    fitness: Fitness, templates: Sequence[str], split: Split = "train", rows: Rows = None
) -> Iterator[tuple[str, ImagePredictions | None]]:
    """Each template with what it made of the images; None where some of that is not kept."""
    asked = slice(None) if rows is None else list(rows)
    for template in templates:
        found = fitness.predictions(template, split)
        yield template, found if found is not None and found.looked_at[asked].all() else None


def predictions_again(
    fitness: Fitness, templates: Sequence[str], split: Split = "train", rows: Rows = None
) -> Generator[ScoringProgress, None, dict[str, ImagePredictions]]:
    """Score templates again, on some rows of images or all, for what they make of each.

    Without those of which a fitness keeps nothing even then: they are more than it has room for.

    Raises:
        UserError, ModelError: as ``Fitness.score``.
    """
    images, classes = fitness.size(split), len(fitness.class_names)
    step = _AT_ONCE if fitness.kept.takes(_AT_ONCE * images, classes) else 1
    again: dict[str, ImagePredictions] = {}
    for start in range(0, len(templates), step):
        some = templates[start : start + step]
        yield from (
            fitness.score(some, split=split)  # of families that have no racing
            if rows is None
            else fitness.score(some, split=split, rows=rows)
        )
        fitness.kept.settle()
        for template, found in kept_predictions(fitness, some, split, rows):
            if found is not None:
                again[template] = found
    return again

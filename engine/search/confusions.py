"""What the best template takes for what, for the LLM to read: ``proposal.confusions``.

It rests on what is kept of the template's predictions; what is not kept is scored again, so that
it makes no difference whether it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.run.emitting import Steps
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.search.confused import NOTHING, Confused
from engine.search.scoring import TrainScorer, with_progress
from engine.vlm.confusions import confused_pairs
from engine.vlm.log_probabilities import kept_predictions, predictions_again
from engine.vlm.predictions import ImagePredictions


def confused_by(
    state: RunState, template: ScoredTemplate, most: int, scorer: TrainScorer
) -> Steps[tuple[RunState, tuple[Confused, ...]]]:
    """The classes that a scored template confuses most, on the images that its score rests on.

    None where what it makes of the images is more than there is room for.
    """
    fitness, text = scorer.fitness, template.text
    rows = scorer.order[: template.n] if scorer.races else None
    ((_, found),) = kept_predictions(fitness, [text], rows=rows)
    if found is None and fitness.kept.takes(fitness.size("train"), len(fitness.class_names)):
        work = predictions_again(fitness, [text], rows=rows)
        state, again = yield from with_progress(state, work, "scoring")
        found = again.get(text)
    if found is None:
        return state, ()
    labels = np.array([image.label for image in fitness.images("train")], np.int64)
    if rows is not None:  # more may be kept than the race has shown it
        found, labels = found.of_rows(rows), labels[list(rows)]
    return state, most_confused(found, labels, fitness.class_names, most)


def most_confused(
    found: ImagePredictions, labels: NDArray[np.int64], class_names: Sequence[str], most: int
) -> tuple[Confused, ...]:
    """The pairs that are told, by name; arguments as of ``confused_pairs``."""
    names = (*class_names, NOTHING)  # the last one is NO_CLASS
    pairs = confused_pairs(found, labels)[:most]
    return tuple(Confused(names[a], names[b], count, of) for a, b, count, of in pairs)

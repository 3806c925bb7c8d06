"""Which classes are taken for which others: counted over what a template made of images."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.vlm.predictions import ImagePredictions


class ConfusedPair(NamedTuple):
    """``images`` of the ``of`` images of a class that were looked at were taken for another."""

    truth: int  # index of the class
    predicted: int  # NO_CLASS: the answer names none
    images: int
    of: int


def confused_pairs(found: ImagePredictions, labels: NDArray[np.int64]) -> list[ConfusedPair]:
    """The most frequent first; of equals the one with the larger share of its class's images.

    Args:
        found: what a template made of images.
        labels: their true classes, (images,).
    """
    seen = found.looked_at
    truths = labels[seen].tolist()
    sizes = Counter(truths)
    pairs = Counter(zip(truths, found.classes[seen].tolist(), strict=True))
    wrong = [
        ConfusedPair(truth, predicted, count, sizes[truth])
        for (truth, predicted), count in pairs.items()
        if truth != predicted
    ]
    wrong.sort(key=lambda pair: (-pair.images, -pair.images / pair.of, pair.truth, pair.predicted))
    return wrong

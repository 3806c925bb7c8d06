"""When a template is dropped before it has seen all images: the rule of ``search.racing``.

Templates are tried on growing parts of the training images: a sixteenth, two, and so on. The parts
are the beginnings of one order, which the seed of the sample draws and no template has a say in.
After each part a template is dropped if it is surely worse than its rival on *all* training images:
that is what templates are ranked by, so what is not known is only how it does on the images it has
not seen. The rival has seen all of them.

Which interval: that of the paired difference of the two, exact for drawing without replacement.
The images fall into those that the rival gets right (R of them) and those that it gets wrong (W).
The template loses some of the first (its misses) and gains some of the second; of both kinds a part
was looked at, and the numbers found in it are hypergeometric. A template that is as good as its
rival gains as much as it loses, D images of all, whatever D is. It is dropped only if for no D what
was seen, or worse, has a probability of the error or more. That is sharper than two intervals that
must not overlap (each template is held against the same images), it needs no large numbers, and at
the end, where what is left can't make up for what was lost, it is a certainty.

Looking more than once inflates errors, so the error (5 %) is divided by the number of looks. That
costs less than it seems: on the demo 15 looks save more than 3 or 7, and 31 no more than 15. So a
template that is in truth as good as its rival is dropped in at most one of twenty races. The order
takes classes in turn (stratified), which makes numbers less spread than the drawing that the
probabilities are of.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.data.dataset import LabelledImage
from engine.data.sampling import draw_key

PARTS = 16
"""Equal parts of the images; after each but the last, templates may be dropped."""

ERROR = 0.05
"""Most probability that a race drops a template which is as good as its rival on all images."""


def race_order(images: Sequence[LabelledImage], seed: int) -> tuple[int, ...]:
    """Indices of the images in the order of the race: one of each class, one more of each, ..."""
    by_class: dict[int, list[int]] = {}
    for index in sorted(
        range(len(images)), key=lambda i: (draw_key(seed, "race", images[i].path), i)
    ):
        by_class.setdefault(images[index].label, []).append(index)
    classes = sorted(by_class, key=lambda label: draw_key(seed, "race of classes", str(label)))
    turns = itertools.zip_longest(*(by_class[label] for label in classes))
    return tuple(index for turn in turns for index in turn if index is not None)


def race_sizes(images: int) -> tuple[int, ...]:
    """How many images are looked at, ascending; the last one is all of them."""
    return tuple(sorted({-(-images * part // PARTS) for part in range(1, PARTS + 1)}))


def is_surely_worse(right: Sequence[bool], rival: Sequence[bool], error: float) -> bool:
    """Whether a template is worse than its rival on all images, as far as can be told.

    Args:
        right: of the first images of the order, whether the template has them right.
        rival: the same of its rival, of all images.
        error: most probability of saying so of a template that is as good as its rival, 0 to 1.
    """
    return worse_probability(right, rival) < error


def worse_probability(right: Sequence[bool], rival: Sequence[bool]) -> float:
    """Most probability of what was seen of a template, or worse, if it is as good as its rival.

    0 where it can't be as good any more, 1 where it looks no worse.
    """
    n = len(right)
    seen, other = np.asarray(right, dtype=bool), np.asarray(rival, dtype=bool)
    wrong, looked_wrong = int((~other).sum()), int((~other[:n]).sum())
    good, looked_good = len(other) - wrong, n - looked_wrong
    gained = int((seen & ~other[:n]).sum())
    lost = int((~seen & other[:n]).sum())
    # What the difference on all images is estimated as, each part by its own share.
    per_gain = wrong / looked_wrong if looked_wrong else 0.0
    per_loss = good / looked_good if looked_good else 0.0
    estimate = gained * per_gain - lost * per_loss
    if estimate >= 0:
        return 1.0
    least = max(gained, lost)
    most = min(gained + wrong - looked_wrong, lost + good - looked_good)
    highest = 0.0
    for equal in range(least, most + 1):
        gains = _hypergeometric(wrong, equal, looked_wrong)
        losses = _hypergeometric(good, equal, looked_good)
        at_least = np.concatenate([np.cumsum(losses[::-1])[::-1], [0.0]])  # of so many losses
        # So many losses make it as bad as what was seen, beside each number of gains.
        needed = np.ceil((np.arange(len(gains)) * per_gain - estimate) / per_loss - 1e-9)
        needed = np.clip(needed, 0, len(losses)).astype(int)
        highest = max(highest, float(gains @ at_least[needed]))
    return min(1.0, highest)


def _hypergeometric(size: int, marked: int, drawn: int) -> NDArray[np.float64]:
    """Probabilities of 0 to ``drawn`` marked ones among ``drawn`` of ``size``."""
    logs = _log_factorials(size)
    found = np.arange(drawn + 1)
    possible = (found <= marked) & (drawn - found <= size - marked)
    k = found[possible]
    probabilities = np.zeros(drawn + 1)
    probabilities[possible] = np.exp(
        (logs[marked] - logs[k] - logs[marked - k])
        + (logs[size - marked] - logs[drawn - k] - logs[size - marked - drawn + k])
        - (logs[size] - logs[drawn] - logs[size - drawn])
    )
    return probabilities


@lru_cache(maxsize=8)
def _log_factorials(most: int) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])

"""Which templates are ensembled: ``evaluation.select`` (docs/glov.md, 5).

``top`` takes the best by themselves, as the paper does; these are often near copies of one another.
``greedy`` adds one template after the other, each time the one with which the ensemble gives the
training images' own classes most probability (Caruana et al., 2004, with repeats). It needs what
each template made of each image, and that is kept: no image is looked at again.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.common.wording import counted
from engine.config import RunConfig, Select
from engine.run import events as ev
from engine.run.emitting import Steps, emit
from engine.run.state import RunState
from engine.search.scoring import with_progress
from engine.vlm.interface import Fitness
from engine.vlm.log_probabilities import Rows, kept_predictions, predictions_again
from engine.vlm.predictions import ImagePredictions

MOST_CANDIDATES = 200
"""Best templates among which an ensemble is chosen."""

ROOM = 2**30
"""Bytes for what these made of the images: with more images or classes they are fewer."""

_AT_ONCE = 2**20
"""Numbers that are worked on together, and about as many between two safe points."""


class Pool(NamedTuple):
    """The templates that an ensemble is chosen from, best first."""

    templates: tuple[str, ...]
    selection: Select


def top_pool(state: RunState, count: int) -> Pool:
    """The best templates by themselves; of those that have seen all images, if there are any."""
    best = (state.contenders or state.allowed)[:count]
    return Pool(tuple(template.text for template in best), "top")


def ensemble_pool(state: RunState, config: RunConfig, images: int, classes: int) -> Pool:
    """The candidates of an ensemble: those that are not banned and have seen all images.

    Where no template has seen all of them, the best of the others are the ensemble. ``images`` and
    ``classes`` are the numbers of the training split's.
    """
    count = config.evaluation.ensemble
    contenders = state.contenders
    if config.evaluation.select == "top" or not contenders:
        return top_pool(state, count)
    most = most_candidates(count, images, classes)
    return Pool(tuple(t.text for t in contenders[:most]), "greedy")


def most_candidates(count: int, images: int, classes: int) -> int:
    """How many templates an ensemble of ``count`` is chosen from at most."""
    return min(MOST_CANDIDATES, max(count, ROOM // (2 * images * classes)))


def choose_ensemble(
    state: RunState, pool: Pool, count: int, fitness: Fitness
) -> Steps[tuple[RunState, Pool]]:
    """The ensemble that a pool gives, and how it was chosen.

    What is not kept of a template is scored again, so that it makes no difference whether it was;
    where there is no room for it at all, the best by themselves are taken. Both are said.
    """
    if pool.selection == "top" or len(pool.templates) < 2:
        return state, pool
    state, found = yield from predictions_of(state, [(pool.templates, None)], fitness)
    if len(found) < len(pool.templates):
        message = (
            f"what a template makes of {counted(fitness.size('train'), 'image')} is more than "
            f"can be kept, so no ensemble can be chosen by it: it is the {count} best templates "
            "(evaluation.select = top)"
        )
        state = yield from emit(state, ev.Warned(message=message))
        return state, Pool(pool.templates[:count], "top")
    labels = np.array([image.label for image in fitness.images("train")])
    choosing = greedy([found[text] for text in pool.templates], labels, count)
    try:
        while True:
            next(choosing)
            state = yield from emit(state, ev.Progress(phase="ensemble"))
    except StopIteration as finished:
        chosen = tuple(pool.templates[index] for index in finished.value)
        return state, Pool(chosen, "greedy")


def predictions_of(
    state: RunState, asked: Sequence[tuple[Sequence[str], Rows]], fitness: Fitness
) -> Steps[tuple[RunState, dict[str, ImagePredictions]]]:
    """What templates made of the training images; without those that can't be kept.

    What is not kept is scored again.

    Args:
        state: of the run.
        asked: templates, and the rows of images that they were scored on.
        fitness: that scored them.
    """
    found: dict[str, ImagePredictions] = {}
    for templates, rows in asked:
        for template, kept in kept_predictions(fitness, templates, rows=rows):
            if kept is not None:
                found[template] = kept
            state = yield from emit(state, ev.Progress(phase="ensemble"))
    missing = [([t for t in templates if t not in found], rows) for templates, rows in asked]
    lost = sum(len(some) for some, _ in missing)
    if lost and fitness.kept.takes(fitness.size("train"), len(fitness.class_names)):
        message = (
            f"{counted(lost, 'template')} of the {sum(len(some) for some, _ in asked)} that the "
            "ensemble is chosen from: what they made of each image is not kept "
            "(vlm.predictions_mib), so they are scored again"
        )
        state = yield from emit(state, ev.Warned(message=message))
        for some, rows in missing:
            work = predictions_again(fitness, some, rows=rows)
            state, again = yield from with_progress(state, work, "scoring")
            found |= again
    return state, found


def greedy(
    candidates: Sequence[ImagePredictions], labels: NDArray[np.int64], count: int
) -> Generator[None, None, tuple[int, ...]]:
    """Indices of the candidates that are added one after the other, as often as they help most.

    An ensemble's objective is ``true_class_probability`` of its members. Of equally good candidates
    the first is taken. With a third member two others can become worse than the first one was
    alone; then it is that one, as often. Yields after some work, so that the caller may stop.

    Args:
        candidates: what each made of all images; at least one.
        labels: the true classes of the images, (images,).
        count: of members, 1 or more.
    """
    images, classes = candidates[0].log_probabilities.shape
    total = np.zeros((images, classes))
    named = np.zeros(images, dtype=np.bool_)
    chosen: list[int] = []
    values: list[float] = []
    done = 0
    for members in range(1, count + 1):
        best, highest = 0, -1.0
        for index, candidate in enumerate(candidates):
            of_each = true_class_probabilities(total, named, candidate, labels, members)
            found = round(float(of_each.mean()), 12)  # what rounding does makes none better
            if found > highest:
                best, highest = index, found
            done += images * classes
            if done >= _AT_ONCE:
                done = 0
                yield
        chosen.append(best)
        values.append(highest)
        total += candidates[best].log_probabilities
        named |= candidates[best].classes >= 0
    return tuple(chosen) if values[-1] >= values[0] else (chosen[0],) * count


def true_class_probability(members: Sequence[ImagePredictions], labels: NDArray[np.int64]) -> float:
    """The mean over images of softmax(mean of the members' logits) at the true class, 0 to 1.

    That is what ``Fitness.score_ensemble`` decides by: of a dual encoder up to the lengths of the
    mean class embeddings, which are all but equal; of an encoder-decoder as it combines answers.
    Log-probabilities stand for logits, from which they differ by a constant for each image. An
    image of which no member names a class is wrong, and counts as 0.
    """
    total = np.zeros(members[0].log_probabilities.shape)
    for member in members[:-1]:
        total += member.log_probabilities
    named = np.any([member.classes >= 0 for member in members], axis=0)
    return float(true_class_probabilities(total, named, members[-1], labels, len(members)).mean())


def true_class_probabilities(
    total: NDArray[np.float64],
    named: NDArray[np.bool_],
    added: ImagePredictions,
    labels: NDArray[np.int64],
    members: int,
) -> NDArray[np.float64]:
    """Of each image, with one more member beside those whose log-probabilities are in ``total``.

    Args:
        total: the sum of the other members' log-probabilities, (images, classes) nats.
        named: of which images another member names a class, (images,).
        added: the member that is added, of the same images.
        labels: the true classes of the images, (images,).
        members: how many there are with it.

    Returns:
        Probabilities from 0 to 1, (images,).
    """
    images, classes = total.shape
    found = np.zeros(images)
    step = max(1, _AT_ONCE // classes)
    for start in range(0, images, step):
        rows = slice(start, start + step)
        logits = (total[rows] + added.log_probabilities[rows]) / members
        logits -= np.take_along_axis(logits, labels[rows, None], axis=1)
        with np.errstate(over="ignore"):  # of a class that is beyond doubt: 1 / infinity is 0
            found[rows] = 1.0 / np.exp(logits, out=logits).sum(axis=1)
    return np.where(named | (added.classes >= 0), found, 0.0)

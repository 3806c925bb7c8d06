"""The race at the end of a run: what was dropped may have a place in the ensemble.

A template is dropped because it is worse than the best of its time. An ensemble has more than the
best in it. What races on, and how far, is as the ensemble is chosen (``evaluation.select``):

- ``top``: the dropped templates race against the ensemble's last one.
- ``greedy``: a template that is worse by itself may be the one that helps most. The ensemble is
  chosen from all templates, each by what it made of the images that it has seen, beside what the
  best of those that have seen all made of the same images. Where one would be chosen that has not
  seen all images, it is shown the next part of them, until no such one would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.run import events as ev
from engine.run.emitting import Steps, emit
from engine.run.state import RunState
from engine.run.step_facts import scored_again
from engine.search.ensemble import most_candidates, predictions_of, true_class_probabilities
from engine.search.scoring import TrainScorer
from engine.vlm.predictions import ImagePredictions


def last_race(
    state: RunState, train: TrainScorer
) -> Steps[tuple[RunState, tuple[ev.TemplateScored, ...]]]:
    """Show dropped templates more images, so that the ensemble has none too few.

    Where bans left fewer than the ensemble has, the surest get scores on all images first.

    Returns:
        The state, and the facts, which are not emitted yet.
    """
    partial = [t for t in state.allowed if state.is_partial(t)]
    if not partial:
        return state, ()
    evaluation, fitness = train.config.evaluation, train.fitness
    missing = max(0, evaluation.ensemble - len(state.contenders))
    if missing:
        state, _ = yield from train.on_all(state, [t.text for t in partial[:missing]])
    whole = [t.text for t in (*state.contenders, *partial[:missing])]
    others = {t.text: t.n for t in partial[missing:]}
    keeps = fitness.kept.takes(fitness.size("train"), len(fitness.class_names))
    if evaluation.select == "greedy" and keeps:
        state = yield from _for_greedy(state, train, whole, others)
    else:
        scores = train.scores
        whole.sort(key=lambda text: (-scores[text].hits, -scores[text].margin))
        state, _ = yield from train.race(state, list(others), whole[: evaluation.ensemble][-1])
    return state, tuple(
        scored_again(t, train.scores[t.text], state.steps_done)
        for t in partial
        if train.scores[t.text].n > t.n
    )


@dataclass
class _Ensemble:
    """The members so far, and what one more template would make of it.

    Images are in the order of the race; ``made`` has of each template what it made of those that
    it has seen, the first of them.
    """

    labels: NDArray[np.int64]  # (images,)
    classes: int
    made: dict[str, ImagePredictions] = field(default_factory=dict)
    members: int = 0

    def __post_init__(self) -> None:
        self._total = np.zeros((len(self.labels), self.classes))
        self._named = np.zeros(len(self.labels), dtype=np.bool_)

    def with_one_more(self, template: str) -> NDArray[np.float64]:
        """The probability of the true class of each image that the template has seen."""
        made = self.made[template]
        seen = slice(0, len(made.classes))
        return true_class_probabilities(
            self._total[seen], self._named[seen], made, self.labels[seen], self.members + 1
        )

    def add(self, template: str) -> None:
        self._total += self.made[template].log_probabilities
        self._named |= self.made[template].classes >= 0
        self.members += 1


def _for_greedy(
    state: RunState, train: TrainScorer, whole: Sequence[str], others: dict[str, int]
) -> Steps[RunState]:
    """Until the ensemble that would be chosen has none in it that has not seen all images.

    Args:
        state: of the run.
        train: what is known of the templates.
        whole: those that have seen all images, best first.
        others: of how many images each of the others has a score, best first.
    """
    order, fitness = np.array(train.order), train.fitness
    every = len(order)
    labels = np.array([image.label for image in fitness.images("train")])[order]
    classes, count = len(fitness.class_names), train.config.evaluation.ensemble
    most = most_candidates(count, every, classes)
    seen = dict.fromkeys(whole[:most], every) | dict(list(others.items())[:most])
    ensemble = _Ensemble(labels, classes)

    def look(state: RunState, templates: Sequence[str]) -> Steps[RunState]:
        """What was made of the images so far, of those of which it can be kept."""
        groups: dict[int, list[str]] = {}
        for text in templates:
            groups.setdefault(seen[text], []).append(text)
        asked = [(t, None if n == every else train.order[:n]) for n, t in groups.items()]
        state, found = yield from predictions_of(state, asked, fitness)
        for text in templates:
            if text in found:
                ensemble.made[text] = found[text].of_rows(order[: seen[text]])
            else:
                del seen[text]
        return state

    state = yield from look(state, list(seen))
    while ensemble.members < count:
        values = {}
        for text in seen:
            values[text] = ensemble.with_one_more(text)
            state = yield from emit(state, ev.Progress(phase="ensemble"))
        while True:
            best = max((t for t in seen if seen[t] == every), key=lambda t: _mean(values[t]))
            gains = {t: _mean(values[t] - values[best][:n]) for t, n in seen.items() if n < every}
            first = max(gains, key=gains.__getitem__, default=best)
            if first == best or gains[first] <= 0:
                break
            seen[first] = next(size for size in train.sizes if size > seen[first])
            state = yield from train.grow(state, [first], seen[first])
            state = yield from look(state, [first])
            if first in seen:
                values[first] = ensemble.with_one_more(first)
        ensemble.add(best)
    fitness.kept.settle()
    return state


def _mean(values: NDArray[np.float64]) -> float:
    """Rounded, so that what rounding does makes none better."""
    return round(float(values.mean()), 12)

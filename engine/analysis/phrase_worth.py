"""What a phrase is worth: train accuracy of templates with it less that of templates without it.

All three figures are observed, not tried out: templates with a phrase differ from others in other
words too, and later templates are better and have other words. So beside the plain difference stand
the difference within steps, and that of templates which differ in nothing but the phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.analysis.phrase_words import Words, all_words, without_words
from engine.common.statistics import Difference, difference_of_means, spread
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WithinSteps:
    """The mean difference between the LLM's templates of the same step, in accuracy (-1 to 1).

    That of a linear regression with a mean for each step: steps count by how evenly their templates
    are divided. ``interval`` is Student's of 95 %; None where nothing is left to estimate it from.
    """

    difference: float
    interval: tuple[float, float] | None
    steps: int  # that have templates of both kinds


@dataclass(frozen=True, slots=True)
class Pairs:
    """The mean difference between templates that are alike but for the phrase, -1 to 1."""

    difference: float
    interval: tuple[float, float] | None  # 95 % by Student's t; None: too few, or all are equal
    count: int


@dataclass(frozen=True, slots=True)
class Worth:
    """Differences in train accuracy, with less without the phrase. Correlation, not cause."""

    n_with: int  # templates
    n_without: int
    partial: int  # of both, that were scored on a part of the images (docs/glov.md, 9)
    overall: Difference | None  # None: fewer than two on a side
    within_steps: WithinSteps | None  # None: as above, or no step has both kinds
    pairs: Pairs | None  # None: there are none


class Worths:
    """Weighs phrases of the scored templates of a run, which are numbered as they are given.

    A template that a race dropped counts with its accuracy so far: the best guess at what it would
    be. To leave those out would leave out what is bad, on both sides.
    """

    def __init__(self, templates: Sequence[ScoredTemplate], state: RunState) -> None:
        self._templates = templates
        self._accuracies = np.array([t.accuracy for t in templates], np.float64)
        self._partial = sum(state.is_partial(t) for t in templates)
        self._steps = np.array([t.first.step for t in templates], np.int64)
        self._is_llm = np.array([t.origin == "llm" for t in templates], np.bool_)
        self._alike: dict[Words, list[int]] | None = None

    def overall(self, having: Numbers) -> Difference | None:
        """The plain difference; ``having`` are the numbers of the templates with the phrase."""
        has = self._mask(having)
        found = difference_of_means(self._accuracies[has], self._accuracies[~has])
        return found and replace(found, interval=_possible(found.interval))

    def of(self, words: Words, having: Numbers) -> Worth:
        """Everything; ``words`` are the phrase's."""
        overall = self.overall(having)
        return Worth(
            n_with=int(having.size),
            n_without=len(self._templates) - int(having.size),
            partial=self._partial,
            overall=overall,
            within_steps=self._within_steps(having) if overall else None,
            pairs=self._pairs(words, having),
        )

    def _mask(self, having: Numbers) -> NDArray[np.bool_]:
        has = np.zeros(len(self._templates), np.bool_)
        has[having] = True
        return has

    def _within_steps(self, having: Numbers) -> WithinSteps | None:
        has = self._mask(having)[self._is_llm].astype(np.float64)
        accuracies, steps = self._accuracies[self._is_llm], self._steps[self._is_llm]
        _, step_of, sizes = np.unique(steps, return_inverse=True, return_counts=True)

        def around(values: NDArray[np.float64]) -> NDArray[np.float64]:
            """Values less the mean of their step."""
            return values - (np.bincount(step_of, values) / sizes)[step_of]

        counts = np.bincount(step_of, has)
        both = int(np.count_nonzero((counts > 0) & (counts < sizes)))
        if not both:
            return None
        x, y = around(has), around(accuracies)
        square = float(x @ x)
        slope = float(x @ y) / square
        left = int(x.size - sizes.size - 1)
        remains = y - slope * x
        interval = None
        if left > 0 and (variance := float(remains @ remains) / left) > 1e-24:
            from scipy.special import stdtrit  # light; scipy.stats is not

            half = float(stdtrit(left, 0.975)) * (variance / square) ** 0.5
            interval = slope - half, slope + half
        return WithinSteps(slope, _possible(interval), both)

    def _pairs(self, words: Words, having: Numbers) -> Pairs | None:
        if self._alike is None:
            self._alike = {}
            for number, template in enumerate(self._templates):
                self._alike.setdefault(all_words(template.key), []).append(number)
        pairs = {
            (number, other)
            for number in having.tolist()
            for left in without_words(self._templates[number].key, words)
            for other in self._alike.get(left, ())
        }
        found = spread([float(self._accuracies[a] - self._accuracies[b]) for a, b in sorted(pairs)])
        return Pairs(found.mean, _possible(found.interval), found.n) if found else None


def _possible(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """What shares can differ by: of few templates an interval is wider than that."""
    return interval and (max(-1.0, interval[0]), min(1.0, interval[1]))

"""Few numbers, honestly: means and differences with intervals, sign-flip tests, Holm's correction;
and two accuracies on the same images, with McNemar's test.

Student's quantile and the binomial test are scipy's, imported when they are asked for. The
sign-flip test is our own, and exact where it can be: ``scipy.stats.permutation_test`` gives the
same p (a test holds them together), but looks at the patterns of 20 pairs in seconds where this
takes milliseconds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.common.intervals import wilson_interval

EXACT_PAIRS = 20
"""Up to so many pairs a sign-flip test looks at all sign patterns, 2 to the power of pairs."""

SAMPLED_PATTERNS = 200_000
"""With more pairs it looks at so many random patterns, always the same."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of one group: their mean and how far they are from each other.

    ``deviation`` (n - 1 in the denominator) is None for a single value. ``interval`` is the 95 %
    confidence interval of the mean by Student's t; None also where all values are equal, since
    one without width would claim a certainty that few values don't give.
    """

    n: int
    mean: float
    deviation: float | None
    low: float
    high: float
    interval: tuple[float, float] | None


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and spread of ``values``; None where there is no value."""
    if not values:
        return None
    n, mean = len(values), math.fsum(values) / len(values)
    low, high = min(values), max(values)
    mean = min(max(mean, low), high)  # where rounding left equal values
    if n == 1:
        return Spread(n, mean, None, low, high, None)
    deviation = statistics.stdev(values)
    if deviation < 1e-12:
        return Spread(n, mean, 0.0, low, high, None)
    from scipy.special import stdtrit  # far lighter than scipy.stats, whose t.ppf it is

    half = float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)
    return Spread(n, mean, deviation, low, high, (mean - half, mean + half))


@dataclass(frozen=True, slots=True)
class Difference:
    """How far apart the means of two groups are.

    ``interval`` is the 95 % confidence interval of the difference by Student's t, of one spread for
    both groups: Welch's takes a group of two that happen to be equal for certain. It is None where
    the values of each group are all equal, as in ``Spread``.
    """

    difference: float
    interval: tuple[float, float] | None
    error: float  # standard error of the difference


def difference_of_means(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> Difference | None:
    """Mean of ``first`` less that of ``second``, 1-D; None where one has fewer than two values."""
    if min(first.size, second.size) < 2:
        return None
    difference = float(first.mean() - second.mean())
    freedom = first.size + second.size - 2
    squares = sum(float(np.square(group - group.mean()).sum()) for group in (first, second))
    error = math.sqrt(squares / freedom * (1 / first.size + 1 / second.size))
    if error < 1e-12:
        return Difference(difference, None, 0.0)
    from scipy.special import stdtrit  # as in ``spread``

    half = float(stdtrit(freedom, 0.975)) * error
    return Difference(difference, (difference - half, difference + half), error)


@dataclass(frozen=True, slots=True)
class SignFlip:
    """A two-sided sign-flip permutation test of paired differences against no difference.

    ``smallest`` is the least p that these pairs could have given, whatever the signs. ``exact``
    says whether all sign patterns were looked at.
    """

    p: float
    smallest: float
    exact: bool


def sign_flip_test(differences: Sequence[float]) -> SignFlip:
    """How often random signs give a sum as far from 0 as the differences' own.

    Pairs without a difference say nothing: with k others the smallest p is 2 to the power of
    (1 - k), 1 with none.

    Raises:
        ValueError: if there is no pair.
    """
    if not differences:
        raise ValueError("a test needs at least one pair")
    # Equal values and sums differ by rounding. Shares of images are far wider apart.
    told = np.array([d for d in differences if abs(d) > 1e-12], dtype=np.float64)
    if not told.size:
        return SignFlip(1.0, 1.0, exact=True)
    least = 2.0 ** (1 - told.size)
    sizes = np.abs(told)
    reached = abs(math.fsum(told)) - 1e-9 * float(sizes.sum())
    if told.size <= EXACT_PAIRS:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums + size, sums - size])
        return SignFlip(float(np.mean(np.abs(sums) >= reached)), least, exact=True)
    generator = np.random.default_rng(0)
    extreme, left = 0, SAMPLED_PATTERNS
    while left:
        batch = min(left, 20_000)
        signs = generator.integers(0, 2, size=(batch, told.size), dtype=np.int8) * 2.0 - 1.0
        extreme += int(np.count_nonzero(np.abs(signs @ sizes) >= reached))
        left -= batch
    # The pattern that was seen is one of those that could have been.
    p = (extreme + 1) / (SAMPLED_PATTERNS + 1)
    return SignFlip(p, max(least, 1 / (SAMPLED_PATTERNS + 1)), exact=False)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p values that hold for all comparisons together, in order."""
    result = [0.0] * len(ps)
    worst = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[index]))
        result[index] = worst
    return result


@dataclass(frozen=True, slots=True)
class PairedHits:
    """Two that were asked the same: how often both are right, only one of them, and neither."""

    both: int
    first: int  # only the first is right
    second: int  # only the second is right
    neither: int

    @property
    def n(self) -> int:
        """How much both were asked."""
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """Share that the first is right on less that of the second, -1 to 1."""
        return (self.first - self.second) / self.n

    @property
    def p(self) -> float:
        """McNemar's test, two-sided and exact: what only one is right on is as likely the first's
        as the second's. 1 where there is nothing of that kind.

        Exact in place of the mid-p variant, which is less than it (by half of the probability of
        what was seen) and now and then says less than it may: where thousands of images are
        compared they are all but equal.
        """
        told = self.first + self.second
        if not told:
            return 1.0
        from scipy.stats import binomtest  # takes a second to import

        return float(binomtest(self.first, told, 0.5).pvalue)

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference, at 95 %: Newcombe's for paired shares (1998, his method 10), from
        Wilson's intervals of both and how they go together, with his correction for continuity.

        Raises:
            ValueError: if there are none.
        """
        n, a, b, c, d = self.n, self.both, self.first, self.second, self.neither
        one, other = (a + b) / n, (a + c) / n
        (low, high), (other_low, other_high) = (wilson_interval(a + x, n) for x in (b, c))
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        together = float(a * d - b * c)
        if together > 0:
            together = max(together - n / 2, 0.0)
        phi = together / math.sqrt(margins) if margins else 0.0

        def apart(own: float, others: float) -> float:
            return math.sqrt(max(0.0, own**2 - 2 * phi * own * others + others**2))

        below, above = apart(one - low, other_high - other), apart(high - one, other - other_low)
        return max(-1.0, self.difference - below), min(1.0, self.difference + above)

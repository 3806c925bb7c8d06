"""Few numbers, honestly: means and differences with intervals, sign-flip tests, Holm's correction.

Student's quantile is scipy's, imported when it is asked for. The sign-flip test is our own, and
exact where it can be: ``scipy.stats.permutation_test`` gives the same p (a test holds them
together), but looks at the patterns of 20 pairs in seconds where this takes milliseconds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

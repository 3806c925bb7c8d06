"""Statistics against tables, closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.statistics import (
    EXACT_PAIRS,
    holm,
    sign_flip_test,
    spread,
    student_cdf,
    student_quantile,
)


@pytest.mark.parametrize(
    ("p", "degrees", "expected"),  # printed tables of Student's distribution
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 3, 3.1824),
        (0.975, 4, 2.7764),
        (0.975, 9, 2.2622),
        (0.975, 30, 2.0423),
        (0.975, 120, 1.9799),
        (0.95, 5, 2.0150),
        (0.995, 7, 3.4995),
        (0.025, 4, -2.7764),
    ],
)
def test_quantiles_are_those_of_the_tables(p: float, degrees: int, expected: float) -> None:
    assert student_quantile(p, degrees) == pytest.approx(expected, abs=6e-5)


@given(st.floats(-50, 50), st.integers(1, 60))
def test_the_distribution_is_the_integral_of_its_density(t: float, degrees: int) -> None:
    """Simpson's rule on the density after t = sqrt(degrees) tan(angle), where it is smooth."""
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi) / 2
    end, n = math.atan(t / math.sqrt(degrees)), 2000
    values = [math.cos(end * k / n) ** (degrees - 1) for k in range(n + 1)]
    total = values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2])
    area = total * end / n / 3 * math.exp(log_scale)
    assert student_cdf(t, degrees) == pytest.approx(0.5 + area, abs=1e-9)


def test_a_spread_is_what_one_computes_by_hand() -> None:
    found = spread([0.70, 0.74, 0.78])
    assert found is not None
    assert (found.n, found.low, found.high) == (3, 0.70, 0.78)
    assert found.mean == pytest.approx(0.74)
    assert found.deviation == pytest.approx(0.04)
    half = 4.302653 * 0.04 / math.sqrt(3)
    assert found.interval == pytest.approx((0.74 - half, 0.74 + half))


def test_no_interval_without_a_spread() -> None:
    assert spread([]) is None
    one, equal = spread([0.7]), spread([0.7, 0.7, 0.7])
    assert one is not None and one.deviation is None and one.interval is None
    assert equal is not None and equal.deviation == 0 and equal.interval is None
    assert equal.mean == 0.7


def by_brute_force(differences: list[float]) -> float:
    observed = abs(sum(differences)) - 1e-9
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    sums = (abs(sum(s * d for s, d in zip(p, differences, strict=True))) for p in patterns)
    return sum(total >= observed for total in sums) / len(patterns)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9))
def test_the_exact_test_is_that_of_all_sign_patterns(hits: list[int]) -> None:
    differences = [h / 960 for h in hits]
    found = sign_flip_test(differences)
    assert found.exact
    assert found.p == pytest.approx(by_brute_force(differences))
    assert found.p >= found.smallest - 1e-12


def test_the_smallest_p_and_pairs_that_tie() -> None:
    assert sign_flip_test([0.1] * 5).p == 0.0625 == sign_flip_test([0.1] * 5).smallest
    assert sign_flip_test([0.1] * 6).p == 0.03125
    tied = sign_flip_test([0.1, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert tied.p == tied.smallest == 0.5
    assert sign_flip_test([0.0, 0.0]).p == 1.0
    with pytest.raises(ValueError, match="at least one pair"):
        sign_flip_test([])


def test_many_pairs_are_sampled_the_same_way_each_time() -> None:
    differences = [0.01 * (k % 5 - 1) for k in range(1, 29)]
    nonzero = [d for d in differences if d]
    assert len(nonzero) > EXACT_PAIRS
    found = sign_flip_test(differences)
    assert not found.exact and found == sign_flip_test(differences)
    # The exact distribution of the sum, in whole steps of 0.01, by convolution.
    sums = {0: 1.0}
    for step in (round(d * 100) for d in nonzero):
        following: dict[int, float] = {}
        for total, share in sums.items():
            for sign in (1, -1):
                key = total + sign * step
                following[key] = following.get(key, 0.0) + share / 2
        sums = following
    observed = abs(round(sum(nonzero) * 100))
    exact = sum(share for total, share in sums.items() if abs(total) >= observed)
    assert found.p == pytest.approx(exact, abs=0.005)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_its_definition(ps: list[float]) -> None:
    corrected = holm(ps)
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    for rank, index in enumerate(order):
        worst = max(min(1.0, (len(ps) - k) * ps[order[k]]) for k in range(rank + 1))
        assert corrected[index] == worst


def test_holm_on_numbers_of_a_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

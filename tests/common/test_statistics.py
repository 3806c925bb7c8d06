"""Statistics against tables, closed forms and brute force."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.common.intervals import wilson_interval
from engine.common.statistics import (
    EXACT_PAIRS,
    PairedHits,
    difference_of_means,
    holm,
    sign_flip_test,
    spread,
)


@pytest.mark.parametrize(
    ("n", "quantile"),  # printed tables of Student's distribution, 95 %
    [(2, 12.7062), (3, 4.3027), (4, 3.1824), (5, 2.7764), (10, 2.2622), (31, 2.0423)],
)
def test_intervals_are_by_the_tables_of_students_t(n: int, quantile: float) -> None:
    found = spread([k / n for k in range(n)])
    assert found is not None and found.interval is not None and found.deviation is not None
    half = quantile * found.deviation / math.sqrt(n)
    assert found.interval[1] - found.mean == pytest.approx(half, rel=3e-5)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_an_interval_is_scipys(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    if found.interval is not None:
        by_scipy = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert found.interval == pytest.approx(tuple(by_scipy), abs=1e-9)


@given(st.lists(st.integers(0, 80), min_size=2), st.lists(st.integers(0, 80), min_size=2))
def test_a_difference_of_means_is_scipys(first: list[int], second: list[int]) -> None:
    groups = [np.array(group) / 80 for group in (first, second)]
    found = difference_of_means(*groups)
    assert found is not None
    assert found.difference == pytest.approx(groups[0].mean() - groups[1].mean())
    if len(set(first)) == len(set(second)) == 1:
        assert found.interval is None and found.error == 0
    else:
        by_scipy = stats.ttest_ind(*groups).confidence_interval(0.95)
        assert found.interval == pytest.approx(tuple(by_scipy), abs=1e-9)


def test_one_value_has_no_difference() -> None:
    one, two = np.array([0.5]), np.array([0.5, 0.6])
    assert difference_of_means(one, two) is None and difference_of_means(two, one) is None


@given(st.integers(1, 2000), st.floats(0, 1))
def test_wilsons_interval_is_scipys(n: int, share: float) -> None:
    hits = round(share * n)
    by_scipy = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx(tuple(by_scipy), abs=1e-6)


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=8))
def test_the_sign_flip_test_is_scipys_permutation_test(hits: list[int]) -> None:
    by_scipy = stats.permutation_test(
        (np.array(hits, dtype=float),), np.sum, permutation_type="samples", n_resamples=2**8
    )
    assert sign_flip_test([h / 960 for h in hits]).p == pytest.approx(by_scipy.pvalue)


def test_scipy_is_not_there_before_it_is_needed() -> None:
    code = "import glov_tui.cli, engine.analysis.compare, sys; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


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


# -- two accuracies on the same images ------------------------------------------------------

COUNTS = st.integers(0, 60)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_an_interval_of_paired_shares_holds_their_difference(
    a: int, b: int, c: int, d: int
) -> None:
    found = PairedHits(a, b, c, d)
    if not found.n:
        return
    low, high = found.interval
    assert -1 <= low <= found.difference <= high <= 1
    back = PairedHits(a, c, b, d)
    assert back.difference == -found.difference and back.p == pytest.approx(found.p)
    assert back.interval == pytest.approx((-high, -low))


def test_paired_shares_are_those_of_a_textbook() -> None:
    # Fagerland, Lydersen and Laake (2014), table 2: airways before and after a transplantation
    found = PairedHits(both=1, first=1, second=7, neither=12)
    assert found.difference == pytest.approx(-0.286, abs=5e-4)
    assert found.interval == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert found.p == pytest.approx(0.0703, abs=5e-5)


@given(COUNTS, COUNTS)
def test_mcnemars_test_is_that_of_fair_coins(first: int, second: int) -> None:
    told = first + second
    fewer = min(first, second)
    tail = sum(math.comb(told, k) for k in range(fewer + 1)) / 2**told
    found = PairedHits(5, first, second, 5).p
    assert found == pytest.approx(min(1.0, 2 * tail) if first != second else 1.0)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    for shares in ((0.5, 0.2, 0.1, 0.2), (0.9, 0.03, 0.03, 0.04), (0.3, 0.3, 0.1, 0.3)):
        truth = shares[1] - shares[2]
        drawn = random.multinomial(80, shares, size=2000).tolist()
        held = [low <= truth <= high for low, high in (PairedHits(*one).interval for one in drawn)]
        assert 0.93 < sum(held) / len(held) < 0.995

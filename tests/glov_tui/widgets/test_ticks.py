import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glov_tui.widgets.ticks import (
    PERCENT,
    NumberFormat,
    nice_step,
    stable_range,
    stable_scale,
    ticks,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("low", "high", "count", "whole", "expected"),
    [
        (0, 50, 5, True, [0, 10, 20, 30, 40, 50]),
        (0, 3, 8, True, [0, 1, 2, 3]),
        (0, 10, 4, True, [0, 5, 10]),
        (0.52, 0.6, 4, False, [0.52, 0.54, 0.56, 0.58, 0.6]),
        (0, 1, 4, False, [0, 0.25, 0.5, 0.75, 1.0]),
        (-1, 1, 2, False, [-1, 0, 1]),
        (3, 3, 5, False, []),
        (0, math.inf, 5, False, []),
    ],
)
def test_ticks_are_round(
    low: float, high: float, count: int, whole: bool, expected: list[float]
) -> None:
    assert ticks(low, high, count, whole)[0] == pytest.approx(expected)


@given(numbers, numbers, st.integers(1, 20), st.booleans())
def test_ticks_lie_in_the_range(low: float, high: float, count: int, whole: bool) -> None:
    positions, step = ticks(low, high, count, whole)
    assert len(positions) <= count + 1
    assert positions == sorted(positions)
    for position in positions:
        assert low - step * 1e-6 <= position <= high + step * 1e-6


@given(st.floats(1e-9, 1e9), st.integers(1, 50))
def test_whole_steps_are_whole(span: float, count: int) -> None:
    step = nice_step(span, count, whole=True)
    assert step == int(step) >= 1
    assert step * count >= span * 0.999


def test_numbers_are_written_with_the_decimals_they_need() -> None:
    assert PERCENT.value(0.6123) == "61.2%"
    assert PERCENT.value(math.nan) == "-"
    assert PERCENT.tick(0.6, 0.05) == "60%"
    assert PERCENT.tick(0.625, 0.025) == "62.5%"
    assert NumberFormat().tick(0.003, 0.001) == "0.003"
    assert NumberFormat().tick(-0.0, 1.0) == "0"
    assert NumberFormat(unit=" s").value(1.234) == "1.23 s"


@given(numbers, numbers, st.none() | st.tuples(numbers, numbers))
def test_range_holds_the_data(a: float, b: float, limits: tuple[float, float] | None) -> None:
    low, high = max(min(a, b), -1e300), min(max(a, b), 1e300)
    if limits is not None:
        limits = (min(limits), max(limits))
    bottom, top = stable_range(low, high, None, limits)
    slack = (abs(bottom) + abs(top)) * 1e-9
    assert bottom - slack <= low
    assert high <= top + slack
    assert bottom < top


def test_range_keeps_still_while_it_serves_and_grows_in_steps() -> None:
    current: tuple[float, float] | None = None
    ranges = []
    for step in range(100):
        current = stable_range(0.55, 0.55 + 0.002 * step, current, (0.0, 1.0), least=0.05)
        ranges.append(current)
    assert len(set(ranges)) <= 6
    assert ranges[0][1] - ranges[0][0] >= 0.05
    assert ranges[-1][1] <= 0.9
    assert stable_range(0.3, 0.5, (0.0, 0.6)) == (0.0, 0.6)


def test_range_shrinks_only_when_nearly_empty() -> None:
    assert stable_range(0.50, 0.60, (0.4, 0.7)) == (0.4, 0.7)
    low, high = stable_range(0.50, 0.51, (0.0, 1.0))
    assert 0.45 < low < high < 0.55


def test_range_stays_within_limits_unless_data_do_not() -> None:
    assert stable_range(0.5, 0.99, None, (0.0, 1.0))[1] == 1.0
    assert stable_range(0.5, 1.2, None, (0.0, 1.0))[1] == 1.2
    assert stable_range(math.nan, math.nan, (0.2, 0.4)) == (0.2, 0.4)


@given(st.floats(1e-300, 1e300))
def test_scale_is_round_and_large_enough(largest: float) -> None:
    scale = stable_scale(largest)
    assert largest <= scale <= largest * 1.5
    assert stable_scale(largest * 0.7, scale) == scale


def test_scale_without_values_is_the_previous_one() -> None:
    assert stable_scale(0.0, 12.0) == 12.0
    assert stable_scale(math.nan) == 1.0
    assert stable_scale(1.0, 12.0) == 1.0

"""Few items stand for many: the ends and the extremes stay, and their number is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glov_tui.widgets.thinned import MOST, Thinned

Point = tuple[int, float]


def telling(points: list[Point]) -> list[Point]:
    kept = {points[0], points[-1], min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])}
    return sorted(kept)


def made(n: int) -> list[Point]:
    return [(x, float(x * 7919 % 1009)) for x in range(n)]


def test_few_items_are_all_shown() -> None:
    points = made(MOST)
    assert Thinned(lambda p: p[0], telling).those_of(points) == points


def test_of_many_the_ends_and_extremes_are_shown() -> None:
    points = made(50 * MOST)
    points[777], points[40_000] = (777, -5.0), (40_000, 5000.0)
    shown = Thinned(lambda p: p[0], telling).those_of(points)
    assert len(shown) <= 4 * MOST and shown == sorted(shown)
    assert shown[0] == points[0] and shown[-1] == points[-1]
    assert {points[777], points[40_000]} <= set(shown) <= set(points)


@given(st.lists(st.integers(0, 900), max_size=8))
def test_items_that_come_one_by_one_are_shown_as_all_at_once(parts) -> None:
    points = made(sum(parts) + MOST)
    by_parts = Thinned(lambda p: p[0], telling)
    end = 0
    for part in parts:
        end += part
        by_parts.those_of(points[:end])
    shown = by_parts.those_of(points)
    at_once = Thinned(lambda p: p[0], telling).those_of(points)
    assert shown[0] == points[0] and shown[-1] == points[-1]
    assert max(shown, key=lambda p: p[1]) == max(points, key=lambda p: p[1])
    assert len(shown) <= 4 * MOST and len(at_once) <= 4 * MOST


def test_other_items_are_not_mixed_with_those_of_before() -> None:
    thinned = Thinned(lambda p: p[0], telling)
    thinned.those_of(made(10))
    assert thinned.those_of(made(5)) == made(5)  # a replay went back
    other = [(x, -1.0) for x in range(8)]
    assert thinned.those_of(other) == other

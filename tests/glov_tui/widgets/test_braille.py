import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glov_tui.widgets.braille import PATTERNS, Dots, Frame, dots, trace

FRAME = Frame((0, 9), (0, 9), 10, 10)


def traced(points: list[tuple[float, float]], steps: bool = False) -> list[tuple[int, int] | None]:
    return trace(FRAME.pixels(points), FRAME, steps)


def test_a_diagonal_is_one_pixel_thick() -> None:
    assert traced([(0, 0), (9, 9)]) == [(row, row) for row in range(9, -1, -1)]


def test_a_steep_line_has_no_holes() -> None:
    runs = traced([(0, 0), (3, 9)])[:4]
    rows = [row for run in runs if run for row in range(run[0], run[1] + 1)]
    assert sorted(rows) == list(range(10))


def test_steps_hold_each_value_until_the_next() -> None:
    assert (
        traced([(0, 0), (3, 2), (5, 2)], steps=True)[:6] == [(9, 9)] * 3 + [(7, 9)] + [(7, 7)] * 2
    )


def test_gaps_stay_open_and_lone_points_are_seen() -> None:
    runs = traced([(0, 1), (1, 1), (2, math.nan), (4, 5), (5, math.inf), (8, 1)])
    assert [x for x, run in enumerate(runs) if run] == [0, 1, 4, 8]
    assert {x for x, _ in dots(runs, PATTERNS["sparse"])} >= {0, 4, 8}


def test_extremes_of_points_that_share_a_column_stay() -> None:
    frame = Frame((0, 1000), (0, 9), 5, 10)
    points = [(float(x), 9.0 if x == 333 else 0.0 if x == 334 else 5.0) for x in range(1001)]
    runs = trace(frame.pixels(points), frame)
    assert (min(run[0] for run in runs if run), max(run[1] for run in runs if run)) == (0, 9)


def test_points_outside_the_x_range_are_left_out_and_outside_y_moved_to_the_edge() -> None:
    assert FRAME.pixels([(-1, 5), (10, 5), (3, 50), (3, -50)]) == [None, None, (3, 0), (3, 9)]
    assert FRAME.column(10) is None


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "solid"])
def test_patterns_are_thinner_than_a_solid_line_in_every_direction(pattern: str) -> None:
    for points in ([(0, 5), (9, 5)], [(0, 0), (9, 9)], [(0, 9), (9, 0)], [(4, 0), (4, 9)]):
        runs = traced([(float(x), float(y)) for x, y in points])
        solid = set(dots(runs, PATTERNS["solid"]))
        assert 0 < len(set(dots(runs, PATTERNS[pattern]))) < len(solid) == 10


def test_a_line_that_grows_keeps_its_dots() -> None:
    points = [(float(x), math.sin(x) + 4) for x in range(10)]
    old = set(dots(traced(points[:6]), PATTERNS["dashed"]))
    assert old <= set(dots(traced(points), PATTERNS["dashed"]))


def test_dots_become_braille_cells_and_the_last_style_wins() -> None:
    canvas = Dots(2, 1)
    canvas.draw([(0, 0), (1, 3)], "a")
    canvas.draw([(1, 0)], "b")
    assert list(canvas.cells()) == [(0, 0, "⢉", "b")]


any_float = st.floats()
finite_pairs = st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))


@given(st.lists(st.tuples(any_float, any_float), max_size=30), finite_pairs, finite_pairs)
def test_any_numbers_land_in_the_frame(
    points: list[tuple[float, float]],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> None:
    frame = Frame(x_range, y_range, 7, 5)
    for steps in (False, True):
        for run in trace(frame.pixels(points), frame, steps):
            assert run is None or 0 <= run[0] <= run[1] < 5
    for pixel in frame.pixels(points):
        assert pixel is None or (0 <= pixel[0] < 7 and 0 <= pixel[1] < 5)

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from glov_tui.widgets.chart import Mark, draw_chart
from glov_tui.widgets.legend import Options, Series, bounds, current, looks, x_values

BEST = [(1, 0.5), (2, 0.52), (3, 0.52), (4, 0.56), (5, 0.56), (6, 0.6)]
STEP = [(1, 0.5), (2, 0.52), (3, math.nan), (4, 0.56), (5, 0.54), (6, 0.6)]
TEST = [(2, 0.5), (4, 0.55), (6, 0.57)]
SERIES = [
    Series("best", BEST, kind="steps", short="best"),
    Series("the step's best", STEP, "accent", short="step"),
    Series("test", TEST, "success", "points", intervals=[(0.48, 0.52), (0.53, 0.57), (0.55, 0.59)]),
    Series("seed", [(0, 0.51)], "muted", "hline", short="seed"),
]
MARKS = [Mark(3, "e"), Mark(5)]


def drawn(width: int, height: int, ascii_only: bool = False, cursor: float | None = None) -> str:
    options = Options(x_name="step", ascii=ascii_only)
    chart = draw_chart((width, height), SERIES, MARKS, (0, 10), (0.4, 0.7), options, cursor)
    return str(chart.grid)


CAPTURES = {
    (44, 10, False): (
        "━━ best 60.0%  ╺╸ the step's best 60.0%     \n"
        "● test 57.0%  ┈┈ seed 51.0%                 \n"
        "70%┤                                        \n"
        "   │                      step              \n"
        "60%┤              ●⣀⣀⣀⣀⣔● best              \n"
        "50%┤⡀ ⡀⢀⣀⣀⣤●⡤⠤⡤⠤⡤⠤⡇ ⡉ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ ⡀ seed\n"
        "   │       ⠃                                \n"
        "40%┤                                        \n"
        "   └┬──────┬──e───┬──▲──┬──────┬──────┬─────\n"
        "    0      2      4     6      8     10     "
    ),
    (44, 10, True): (
        "** best 60.0%  ++ the step's best 60.0%     \n"
        "o test 57.0%  -- seed 51.0%                 \n"
        "70%+                                        \n"
        "   |                      step              \n"
        "60%+              o*****o best              \n"
        "50%+---****o*******-+++---------------- seed\n"
        "   |       |                                \n"
        "40%+                                        \n"
        "   ++------+--e---+--^--+------+------+-----\n"
        "    0      2      4     6      8     10     "
    ),
    (30, 6, False): (
        "━━ best 60.0%  ● test 57.0%   \n"
        "70%┤              step        \n"
        "   │⡀ ⣀⣀●⣀⣀⣀●⠲⡶⠒● best⡀ ⡀ seed\n"
        "40%┤    ⠁                     \n"
        "   └┬─────e───▲─────────┬─────\n"
        "    0         5        10     "
    ),
    (30, 6, True): (
        "** best 60.0%  o test 57.0%   \n"
        "70%+              step        \n"
        "   |--**o***o***o-best--- seed\n"
        "40%+                          \n"
        "   ++-----e---^---------+-----\n"
        "    0         5        10     "
    ),
    (20, 3, False): ("━━ best 60.0%       \n70%┤    ●⣀● best    \n40%┤⠁⠚●⠉⠁ ⠁ step    "),
    (20, 3, True): ("** best 60.0%       \n70%+    o*o best    \n40%+-*o**+--step    "),
    (9, 1, False): ("━━ best 6"),
    (9, 1, True): ("** best 6"),
}


@pytest.mark.parametrize(("width", "height", "ascii_only"), CAPTURES)
def test_charts_as_they_look(width: int, height: int, ascii_only: bool) -> None:
    assert drawn(width, height, ascii_only) == CAPTURES[width, height, ascii_only]


def test_without_data_the_chart_says_so() -> None:
    nothing = [[], [Series("best")], [Series("best", [(1, math.nan)])]]
    for series in nothing:
        chart = draw_chart((40, 8), series, [], (0, 10), (0, 1), Options(empty="nothing yet"))
        assert "nothing yet" in str(chart.grid)
        assert "%" not in str(chart.grid)


def test_one_point_is_seen_with_its_word() -> None:
    grid = draw_chart((40, 8), [Series("best", [(2, 0.5)], short="best")], [], (0, 10), (0, 1)).grid
    assert re.search("[\u2801-\u28ff] best", str(grid))


def test_the_cursor_shows_the_values_at_its_x() -> None:
    lines = drawn(60, 10, cursor=5.0).splitlines()
    assert lines[0].startswith("step 5  ━━ best 56.0%  ╺╸ the step's best 54.0%")
    assert "test     -" in lines[0] + lines[1]
    assert sum("┊" in line for line in lines) >= 4


def test_series_are_told_apart_without_colour() -> None:
    many = [Series(f"s{index}") for index in range(8)] + [Series("t", kind="points")] * 3
    for ascii_only in (False, True):
        found = looks(many, ascii_only)
        assert len({look.pattern.name for look in found[:4]}) == 4
        assert len({look.glyph for look in found[8:]}) == 3
    held = [Series("a", kind="points", glyph=2), Series("b", kind="points", glyph=0)]
    assert [look.glyph for look in looks(held)] == ["◆", "●"]
    assert looks([Series("a", pattern="dotted")])[0].pattern.name == "dotted"


def test_marks_in_one_cell_become_a_star_and_long_labels_are_cut() -> None:
    marks = [
        Mark(5, "a"),
        Mark(5, "b"),
        Mark(2, "alpha"),
        Mark(99, "x"),
        Mark(8, "c"),
        Mark(8, "c"),
    ]
    axis = draw_chart((60, 8), SERIES, marks, (0, 10), (0, 1)).grid.row_text(6)
    assert "alp─" in axis
    assert axis.count("*") == axis.count("c") == 1
    assert "x" not in axis


def test_bounds_leave_out_gaps_and_what_is_not_shown() -> None:
    assert bounds(SERIES, (0, 10)) == (0.48, 0.6)
    assert bounds([Series("a", [(0, 1.0), (5, math.nan), (20, 9.0)])], (0, 10)) == (1.0, 1.0)
    assert all(map(math.isnan, bounds([], (0, 10))))


def test_current_values() -> None:
    assert current(SERIES[1]) == 0.6
    assert math.isnan(current(SERIES[1], 3))
    assert current(SERIES[3], 7) == 0.51
    assert x_values(SERIES, (0, 4)) == [1, 2, 3, 4]


points = st.lists(st.tuples(st.floats(), st.floats()), max_size=12)
any_series = st.builds(
    Series,
    st.text(max_size=6),
    points,
    st.sampled_from(["primary", "muted"]),
    st.sampled_from(["line", "steps", "points", "hline"]),
    st.text(max_size=1),
    intervals=points,
)
ends = st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))


@given(
    st.tuples(st.integers(0, 50), st.integers(0, 16)),
    st.lists(any_series, max_size=4),
    st.lists(st.builds(Mark, st.floats(), st.text(max_size=4)), max_size=3),
    ends,
    ends,
    st.booleans(),
    st.none() | st.floats(),
)
def test_any_data_fill_the_grid_exactly(
    size: tuple[int, int],
    series: list[Series],
    marks: list[Mark],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    ascii_only: bool,
    cursor: float | None,
) -> None:
    options = Options(x_name="step", ascii=ascii_only)
    grid = draw_chart(size, series, marks, x_range, y_range, options, cursor).grid
    assert [cell_len(grid.row_text(y)) for y in range(size[1])] == [size[0]] * size[1]
    assert not ascii_only or str(grid).isascii()


def test_all_points_are_named_in_the_pane_of_a_small_terminal() -> None:
    tests = [
        Series(f"{name} test", [(6, y)], "warning", "points", f"{short} test", glyph=glyph)
        for glyph, (name, short, y) in enumerate(
            [("seed", "seed", 0.476), ("best", "best", 0.92), ("ensemble", "ens.", 0.915)]
        )
    ]
    lines = [line for line in SERIES if line.kind != "points"]
    size = (38, 7)  # at 80x24 with a best template of three rows
    chart = str(draw_chart(size, [*lines, *tests], (), (0, 10), (0.4, 1.0), Options()).grid)
    for word in ("● seed test 47.6%", "× best test 92.0%", "◆ ens. test 91.5%"):
        assert word in " ".join(chart.split()), chart

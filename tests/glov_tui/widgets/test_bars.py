import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from glov_tui.widgets.bars import Bar, bar_cells, draw_bars, keep_visible

BARS = [
    Bar("L0", 0.0, "0 %"),
    Bar("L1", 0.001, "0 %"),
    Bar("L2", 5, "12 %", ghost=7),
    Bar("L10", 8, "30 %", marked=True, ghost=3),
    Bar("L11", math.nan, "-"),
    Bar("L12", 10, "40 %"),
    Bar("L13", -1),
]

UNICODE = """\
   L0 ·          0 %
   L1 ▏          0 %
›  L2 ████▌░    12 %
 ◆L10 ███▓███▎  30 %
  L11 nan          -
  L12 █████████ 40 %
  L13 ◂             """
ASCII = """\
   L0 .          0 %
   L1 :          0 %
>  L2 #####.    12 %
 *L10 ###|###   30 %
  L11 nan          -
  L12 ######### 40 %
  L13 <             """
SCROLLED = """\
  L11 nan               - │
  L12 █████████████▊ 40 % │
  L13 ◂                   ┃"""


def text(value: float, width: int = 4, ghost: float | None = None, ascii_only: bool = False) -> str:
    return "".join(c for c, _ in bar_cells(value, ghost, 4.0, width, ascii_only))


def test_bars_of_a_list_as_they_look() -> None:
    assert str(draw_bars((20, 7), BARS, 10.0, cursor=2)) == UNICODE
    assert str(draw_bars((20, 7), BARS, 10.0, cursor=2, ascii_only=True)) == ASCII


def test_a_list_that_does_not_fit_has_a_scroll_bar_and_keeps_its_columns() -> None:
    assert str(draw_bars((27, 3), BARS, 10.2, first=4)) == SCROLLED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "·   "),
        (1e-12, "▏   "),
        (0.5, "▌   "),
        (1.0, "█   "),
        (2.125, "██▏ "),
        (4.0, "████"),
        (9.0, "████"),
        (-1.0, "◂   "),
        (math.nan, "nan "),
        (math.inf, "inf "),
    ],
)
def test_one_bar(value: float, expected: str) -> None:
    assert text(value) == expected


def test_a_ghost_is_a_shade_behind_a_shorter_bar_and_a_notch_in_a_longer_one() -> None:
    assert text(1.0, ghost=3.0) == "█░░ "
    assert text(4.0, ghost=2.0) == "██▓█"
    assert text(2.0, ghost=2.0) == "██  "
    assert text(2.0, ghost=math.nan) == "██  "
    assert text(1.0, ghost=3.0, ascii_only=True) == "#.. "
    assert text(4.0, ghost=2.0, ascii_only=True) == "##|#"


def test_marked_rows_have_a_mark_and_a_style() -> None:
    grid = draw_bars((20, 7), BARS, 10.0)
    assert grid.characters[3][1] == "◆"
    assert {"mark", "label-marked", "bar-marked", "note-marked"} <= set(grid.styles[3])
    assert "bar-marked" not in grid.styles[2]


@pytest.mark.parametrize(
    ("first", "row", "height", "count", "expected"),
    [
        (0, 5, 10, 32, 0),
        (0, 12, 10, 32, 3),
        (20, 12, 10, 32, 12),
        (30, 31, 10, 32, 22),
        (5, 1, 9, 4, 0),
    ],
)
def test_keep_visible(first: int, row: int, height: int, count: int, expected: int) -> None:
    assert keep_visible(first, row, height, count) == expected


any_bars = st.lists(
    st.builds(
        Bar,
        st.text(max_size=6),
        st.floats(),
        st.text(max_size=5),
        st.booleans(),
        st.none() | st.floats(),
    ),
    max_size=8,
)


@given(any_bars, st.floats(1e-300, 1e300), st.integers(0, 30), st.integers(0, 6), st.booleans())
def test_any_bars_fill_the_grid_exactly(
    bars: list[Bar], scale: float, width: int, height: int, ascii_only: bool
) -> None:
    grid = draw_bars((width, height), bars, scale, 0, 1, ascii_only)
    assert [cell_len(grid.row_text(y)) for y in range(height)] == [width] * height
    assert not ascii_only or str(grid).isascii()

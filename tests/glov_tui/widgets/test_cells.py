from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from glov_tui.widgets.cells import Grid, graphemes, text_width

texts = st.text(st.sampled_from("ab ü图é\u0301🙂\u200d\ufe0f\x1b[\u202e"), max_size=8)
writes = st.lists(
    st.tuples(st.integers(-3, 12), st.integers(-1, 4), texts, st.sampled_from(["", "bold", "dim"])),
    max_size=6,
)


def grid_of(what: list[tuple[int, int, str, str]], ascii_only: bool = False) -> Grid:
    grid = Grid(10, 3, ascii_only)
    for x, y, text, style in what:
        grid.text(x, y, text, style)
    return grid


@given(writes, st.booleans())
def test_rows_are_exactly_as_wide_as_the_grid(
    what: list[tuple[int, int, str, str]], ascii_only: bool
) -> None:
    grid = grid_of(what, ascii_only)
    for y in range(grid.height):
        assert cell_len(grid.row_text(y)) == grid.width
        strip = grid.strip(y, lambda name: Style(bold=name == "bold"))
        assert sum(segment.cell_length for segment in strip) == strip.cell_length == grid.width
    if ascii_only:
        assert str(grid).isascii()


@given(writes, writes)
def test_grids_are_equal_when_they_look_the_same(
    before: list[tuple[int, int, str, str]], after: list[tuple[int, int, str, str]]
) -> None:
    old, new = grid_of(before), grid_of(after)
    look = [[grid.strip(y, Style.parse) for y in range(3)] for grid in (old, new)]
    assert (old == new) == (look[0] == look[1])
    assert Grid(4, 2) != Grid(3, 2)


def test_text_is_cut_at_the_end_and_wide_characters_are_not_halved() -> None:
    grid = Grid(5, 1)
    assert grid.text(0, 0, "图图图") == 4
    assert grid.row_text(0) == "图图 "
    grid.put(1, 0, "a")
    assert grid.row_text(0) == " a图 "
    assert grid.text(3, 0, "abc", end=4) == 4
    assert grid.row_text(0) == " a a "


def test_graphemes_keep_accents_and_mark_joiners_and_controls() -> None:
    assert graphemes("e\u0301x") == [("e\u0301", 1), ("x", 1)]
    assert graphemes("🙂\u200d🙂") == [("🙂", 2), ("\ufffd", 1), ("🙂", 2)]
    assert graphemes("\x1b[1mü", ascii_only=True) == [(c, 1) for c in "?[1m?"]
    assert text_width("图a") == 3

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from glov_tui.widgets.cells import Grid, changed_regions, graphemes, text_width

texts = st.text(st.sampled_from("ab ü图é\u0301🙂\u200d\ufe0f\x1b[\u202e"), max_size=8)
writes = st.lists(
    st.tuples(st.integers(-3, 12), st.integers(-1, 4), texts, st.sampled_from(["", "x", "y"])),
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
        strip = grid.strip(y, lambda name: Style(bold=name == "x"))
        assert sum(segment.cell_length for segment in strip) == strip.cell_length == grid.width
    if ascii_only:
        assert str(grid).isascii()


@given(writes, writes)
def test_changed_regions_hold_the_differing_cells_and_no_others(
    before: list[tuple[int, int, str, str]], after: list[tuple[int, int, str, str]]
) -> None:
    old, new = grid_of(before), grid_of(after)
    covered = {
        (x, region.y) for region in changed_regions(old, new) for x in range(region.x, region.right)
    }
    for y in range(new.height):
        for x in range(new.width):
            differs = (old.characters[y][x], old.styles[y][x]) != (
                new.characters[y][x],
                new.styles[y][x],
            )
            wide = "" in (
                *old.characters[y][x : x + 2],
                *new.characters[y][x : x + 2],
            )
            assert (x, y) in covered if differs else (x, y) not in covered or wide


@given(writes, writes, st.integers(0, 12))
def test_a_gap_joins_the_regions_of_a_row(
    before: list[tuple[int, int, str, str]], after: list[tuple[int, int, str, str]], gap: int
) -> None:
    old, new = grid_of(before), grid_of(after)
    exact, joined = list(changed_regions(old, new)), list(changed_regions(old, new, gap))
    assert all(any(region in wider for wider in joined) for region in exact)
    for left, right in pairwise(joined):
        assert left.y != right.y or right.x - left.right > gap


def test_grids_of_other_sizes_differ_everywhere() -> None:
    assert [tuple(region) for region in changed_regions(None, Grid(4, 2))] == [(0, 0, 4, 2)]
    assert [tuple(region) for region in changed_regions(Grid(3, 2), Grid(4, 2))] == [(0, 0, 4, 2)]
    assert list(changed_regions(None, Grid(0, 5))) == []


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

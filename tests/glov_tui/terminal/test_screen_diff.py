"""Reduced frames show the same: checked against a terminal that gets the frames in full."""

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glov_tui.terminal.screen_diff import ScreenDiff

COLUMNS, ROWS = 16, 4
Frame = list[tuple[int, int, list[tuple[str, str]]]]

STYLES = ["", "1", "31", "1;31", "44", "31;44", "38;2;1;2;3;48;2;4;5;6", "4;44", "7;31", "3;45"]
narrow = st.text("ab .─⣿é", min_size=1, max_size=5)
wide = st.text("ab漢字 ", min_size=1, max_size=4)


def width(text: str) -> int:
    return sum(2 if character in "漢字" else 1 for character in text)


@st.composite
def frames(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[Frame]:
    result = []
    for _ in range(draw(st.integers(1, 5))):
        frame: Frame = []
        for _ in range(draw(st.integers(1, 6))):
            y, x = draw(st.integers(0, ROWS - 1)), draw(st.integers(0, COLUMNS - 1))
            pieces = draw(
                st.lists(st.tuples(st.sampled_from(STYLES), texts), min_size=1, max_size=3)
            )
            kept, used = [], x
            for style, text in pieces:
                if used + width(text) <= COLUMNS:
                    kept.append((style, text))
                    used += width(text)
            frame.append((y, x, kept))
        result.append(frame)
    return result


def render(frame: Frame) -> str:
    """As Textual writes: a move, then each piece in its style and a reset."""
    parts = []
    for y, x, pieces in frame:
        parts.append(f"\x1b[{y + 1};{x + 1}H")
        parts += [f"\x1b[{s}m{t}\x1b[0m" if s else t for s, t in pieces]
    return "".join(parts) + "\x1b[1;1H"


class Shown:
    """A terminal, and what each of its cells looks like."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.screen.reset_mode(pyte.modes.DECAWM >> 5, private=True)
        self.stream = pyte.Stream(self.screen)

    def cells(self) -> list[list[tuple[object, ...]]]:
        def look(cell: pyte.screens.Char) -> tuple[object, ...]:
            if cell.data == " " and not (cell.underscore or cell.reverse):
                return (" ", cell.bg)  # the rest is not seen
            return tuple(cell)

        return [[look(self.screen.buffer[y][x]) for x in range(COLUMNS)] for y in range(ROWS)]


@settings(deadline=None)
@given(frames(narrow))
def test_the_screen_is_the_same_cell_by_cell(many: list[Frame]) -> None:
    full, less, diff = Shown(), Shown(), ScreenDiff()
    for frame in map(render, many):
        reduced = diff.reduce(frame, COLUMNS, ROWS)
        full.stream.feed(frame)
        less.stream.feed(reduced)
        assert less.cells() == full.cells()
        cursors = [(s.screen.cursor.y, s.screen.cursor.x) for s in (full, less)]
        assert cursors[0] == cursors[1]


@settings(max_examples=40, deadline=None)
@given(frames(wide))
def test_wide_characters_are_right_once_all_is_painted_again(many: list[Frame]) -> None:
    full, less, diff = Shown(), Shown(), ScreenDiff()
    for frame in map(render, many):
        less.stream.feed(diff.reduce(frame, COLUMNS, ROWS))
    last = render([(y, 0, [("31", "漢a字b漢a字b漢ab")]) for y in range(ROWS)])
    less.stream.feed(diff.reduce(last, COLUMNS, ROWS))
    full.stream.feed(last)
    assert less.screen.display == full.screen.display


@settings(max_examples=40, deadline=None)
@given(frames(narrow))
def test_a_frame_that_is_shown_already_costs_nothing(many: list[Frame]) -> None:
    diff = ScreenDiff()
    for frame in map(render, many):
        diff.reduce(frame, COLUMNS, ROWS)
    same = render([(0, 2, [("31", "abc"), ("1;44", "d ─")])])
    diff.reduce(same, COLUMNS, ROWS)
    assert diff.reduce(same, COLUMNS, ROWS) == ""


def test_only_changed_cells_and_colours_are_written() -> None:
    diff = ScreenDiff()
    line = "\x1b[1;1H\x1b[38;2;1;1;1;48;2;2;2;2mstep {}/9  .....\x1b[0m\x1b[1;1H"
    diff.reduce(line.format(3), COLUMNS, ROWS)
    changed = diff.reduce(line.format(4), COLUMNS, ROWS)
    assert changed == "\x1b[5C4\x1b[1;1H"  # in the colours that were left
    two = "\x1b[2;1H\x1b[31;44ma\x1b[0m\x1b[32;44mb\x1b[0m\x1b[1;1H"
    assert diff.reduce(two, COLUMNS, ROWS) == "\x1b[B\x1b[31;44ma\x1b[32mb\x1b[1;1H"


def test_styles_that_take_turns_are_written_one_after_the_other() -> None:
    diff = ScreenDiff()
    diff.reduce("\x1b[1;1H\x1b[31mx\x1b[0m\x1b[1;1H", COLUMNS, ROWS)
    line = "".join(
        f"\x1b[{code}m{text}\x1b[0m" for code, text in zip((31, 32) * 3, "abcdef", strict=True)
    )
    written = diff.reduce(f"\x1b[1;1H{line}\x1b[1;1H", COLUMNS, ROWS)
    assert written.count("m") == 1  # one change of colours for six pieces
    assert "\x1b[31mx" not in written


def test_an_attribute_is_turned_off_without_the_colours() -> None:
    diff = ScreenDiff()
    colours = "38;2;1;1;1;48;2;2;2;2"
    frame = f"\x1b[1;1H\x1b[1;{colours}ma\x1b[0m\x1b[{colours}mb\x1b[0m\x1b[1;1H"
    assert diff.reduce(frame, COLUMNS, ROWS).endswith("a\x1b[22mb\x1b[1;1H")


def test_what_passes_as_it_is_does_so_in_the_terminal_s_own_colours() -> None:
    diff = ScreenDiff()
    diff.reduce("\x1b[1;1H\x1b[31mx\x1b[0m\x1b[1;1H", COLUMNS, ROWS)
    assert diff.reduce("\x1b[2J", COLUMNS, ROWS) == "\x1b[0m\x1b[2J"


def test_after_another_size_everything_is_written() -> None:
    diff, line = ScreenDiff(), "\x1b[1;1Habc\x1b[1;1H"
    whole = "\x1b[1;1H\x1b[0mabc\x1b[1;1H"  # in whatever colours the terminal was
    assert diff.reduce(line, COLUMNS, ROWS) == whole
    assert diff.reduce(line, COLUMNS, ROWS) == ""
    assert diff.reduce(line, COLUMNS, ROWS + 1) == whole
    diff.invalidate()
    assert diff.reduce(line, COLUMNS, ROWS + 1) == whole


@pytest.mark.parametrize(
    "data", ["\x1b[?1003h", "\x1b[?2026$p", "\x07", "\x1b]52;c;aGk=\x07", "\x1b[<u", "\x18"]
)
def test_what_touches_no_cell_passes_and_changes_nothing(data: str) -> None:
    diff, line = ScreenDiff(), "\x1b[1;1Habc\x1b[1;1H"
    diff.reduce(line, COLUMNS, ROWS)
    assert diff.reduce(data, COLUMNS, ROWS) == data
    assert diff.reduce(line, COLUMNS, ROWS) == ""


@pytest.mark.parametrize(
    "data",
    [
        "\x1b[2J",  # not a frame, and clears
        "\x1b[1;1H\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
        "\x1b[1;1H\tx",
        "\x1b[9;1Hbelow the screen",
        "\x1b[1;15Hbeyond the edge",
    ],
)
def test_what_is_not_understood_passes_and_forgets_everything(data: str) -> None:
    diff, line = ScreenDiff(), "\x1b[1;1Habc\x1b[1;1H"
    diff.reduce(line, COLUMNS, ROWS)
    assert diff.reduce(data, COLUMNS, ROWS) == data
    assert diff.reduce(line, COLUMNS, ROWS) == "\x1b[1;1H\x1b[0mabc\x1b[1;1H"

"""Bars of several parts, and sparklines."""

from __future__ import annotations

import pytest

from glov_tui.widgets.segments import Segment, segments, sparkline

PARTS = (Segment("a", "A", 3.0), Segment("b", "B", 0.0), Segment("c", "C", 1.0))


def text(line) -> str:
    return "".join(piece for piece, _ in line)


def test_parts_are_as_long_as_their_shares_and_named() -> None:
    assert text(segments(PARTS, 4.0, 8, colours=False)) == "AAAAAACC"
    assert segments(PARTS, 4.0, 8, colours=True) == (("A     ", "a"), ("C ", "c"))
    assert text(segments(PARTS, 8.0, 8, colours=False)) == "AAAC    "


@pytest.mark.parametrize("width", range(1, 40))
def test_a_bar_is_as_wide_as_it_is_told_whatever_is_rounded(width: int) -> None:
    many = [Segment("a", "A", 0.31)] * 7
    assert len(text(segments(many, sum(p.value for p in many), width, colours=False))) == width
    assert "A" * width == text(segments(many, sum(p.value for p in many), width, colours=False))


def test_nothing_is_a_blank_bar() -> None:
    assert text(segments(PARTS, 0.0, 5, colours=False)) == " " * 5
    assert text(segments((), 1.0, 5, colours=True)) == " " * 5


def test_a_sparkline_has_the_newest_last_and_blanks_for_what_is_not_known() -> None:
    assert sparkline((0, None, 50, 100), 101, ".:-=+*#", 6) == "  . =#"
    assert sparkline((1, 2, 3), 4, "ab", 2) == "bb"
    assert sparkline((1,), 0, "ab", 3) == "   "
    assert sparkline((1, 2), 2, "ab", 0) == ""

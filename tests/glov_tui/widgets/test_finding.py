"""Looking for a text: places, case, marks on spans of a line."""

from __future__ import annotations

import time

import pytest
from textual.app import App, ComposeResult

from glov_tui.widgets.finding import FOUND, HERE, Hit, hits_in, with_hits
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

LINES: list[Line] = [
    (("12:00 ", "dim"), ("A Blue photo, blue sky", "")),
    (("12:01 ", "dim"), ("(a|b)* [x] .", "")),
    (),
    (("Blue", "strong"),),
]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ("blue", [(0, 8), (0, 20), (3, 0)]),
        ("Blue", [(0, 8), (3, 0)]),  # a capital asks for itself
        ("BLUE", []),
        ("(a|b)*", [(1, 6)]),  # no pattern: as it is typed
        ("[x", [(1, 13)]),
        ("(", [(1, 6)]),
        ("*", [(1, 11)]),
        ("0 A", [(0, 4)]),  # over two spans
        ("", []),
    ],
)
def test_where_it_is(wanted: str, places: list[tuple[int, int]]) -> None:
    hits = hits_in(LINES, wanted)
    assert [(hit.line, hit.start) for hit in hits] == places
    assert all(hit.end - hit.start == len(wanted) for hit in hits)


@pytest.mark.parametrize("wanted", ["blue", "0 A", ":", "photo, blue sky", "12:00 A Blue"])
def test_marks_change_no_text(wanted: str) -> None:
    hits = hits_in(LINES[:1], wanted)
    marked = with_hits(LINES[0], hits, hits[-1])
    assert "".join(text for text, _ in marked) == "12:00 A Blue photo, blue sky"
    here = "".join(text for text, style in marked if style == HERE)
    found = "".join(text for text, style in marked if style == FOUND)
    assert here.lower() == wanted.lower() and found.lower() == wanted.lower() * (len(hits) - 1)


def test_a_hit_over_spans_keeps_what_is_around_it() -> None:
    marked = with_hits((("ab", "dim"), ("cd", "good"), ("ef", "")), [Hit(0, 1, 5)], None)
    assert marked == (("a", "dim"), ("b", FOUND), ("cd", FOUND), ("e", FOUND), ("f", ""))


class TextApp(App[None]):
    """One text."""

    def compose(self) -> ComposeResult:
        """The view."""
        yield TextView()


async def test_a_long_text_is_searched_from_what_is_in_view() -> None:
    app = TextApp()
    async with app.run_test(size=(40, 10)) as pilot:
        view = app.query_one(TextView)
        view.border_title = "text"
        view.set_lines([((f"line {i} {'blue' if i % 10 == 0 else ''}", ""),) for i in range(100)])
        await pilot.pause()
        view.scroll_to(y=35, animate=False, immediate=True)
        await pilot.pause()
        view.find("blu")
        assert view.border_title == "text  5/10"
        assert 31 <= view.scroll_offset.y <= 40 <= view.scroll_offset.y + 9
        view.find_next(1)
        assert view.border_title == "text  6/10" and view.scroll_offset.y + 9 >= 50
        for _ in range(5):
            view.find_next(1)
        assert view.border_title == "text  1/10, from the top" and view.scroll_offset.y == 0
        view.find_next(-1)
        assert view.border_title == "text  10/10, from the end"
        view.find("bluex")
        assert view.border_title == "text  not found" and view.scroll_offset.y == 35
        view.find("line 7")
        view.end_find(back=True)
        assert view.border_title == "text" and view.scroll_offset.y == 35
        assert not any(style in (FOUND, HERE) for row in view._wrapped for _, style in row)
        view.find("line 90")
        view.end_find()
        assert view.scroll_offset.y + 9 >= 90


async def test_letters_of_a_search_wrap_only_what_they_are_in() -> None:
    app = TextApp()
    wrapped = 0

    class Counting(TextView):
        def rows(self, line: Line, width: int) -> list[Line]:
            nonlocal wrapped
            wrapped += 1
            return super().rows(line, width)

    app.compose = lambda: iter([Counting()])  # type: ignore[method-assign]
    async with app.run_test(size=(60, 20)) as pilot:
        view = app.query_one(Counting)
        lines = [
            ((f"template number {i} of many, a photo of a <category>.", ""),) for i in range(20_000)
        ]
        lines[12_345] = (("needle", ""),)
        view.set_lines(lines)
        await pilot.pause()
        begin, wrapped = time.perf_counter(), 0
        for typed in ("needl", "needle"):
            view.find(typed)
        assert wrapped <= 4  # and not 40,000
        assert view.hits == [Hit(12_345, 0, 6)]
        assert time.perf_counter() - begin < 30

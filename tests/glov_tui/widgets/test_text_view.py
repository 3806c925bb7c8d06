from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from glov_tui.widgets.text_view import TextView, wrap

texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me", "Cf"]), max_size=60)


def plain(row) -> str:
    return "".join(text for text, _ in row)


@given(st.lists(st.tuples(texts, st.sampled_from(["", "dim"])), max_size=4), st.integers(4, 40))
def test_rows_fit_and_nothing_but_spaces_is_lost(line, width) -> None:
    rows = wrap(tuple(line), width)
    assert rows
    assert all(cell_len(plain(row).rstrip(" ")) <= width for row in rows)
    before = plain(tuple(line)).replace(" ", "")
    assert "".join(plain(row) for row in rows).replace(" ", "") == before


def test_words_stay_whole_and_later_rows_are_indented() -> None:
    rows = wrap((("one two three four", ""),), 9)
    assert [plain(row).rstrip() for row in rows] == ["one two", "  three", "  four"]


class Log(App[None]):
    def __init__(self, follow: bool) -> None:
        super().__init__()
        self.view = TextView(follow=follow)

    def compose(self) -> ComposeResult:
        yield self.view


def lines(n: int) -> list:
    return [((f"line {i}", ""),) for i in range(n)]


async def test_the_end_stays_in_view_unless_the_reader_scrolled_up() -> None:
    app = Log(follow=True)
    async with app.run_test(size=(40, 10)) as pilot:
        app.view.set_lines(lines(30))
        await pilot.pause()
        assert app.view.scroll_offset.y == 20
        app.view.set_lines(lines(31))
        await pilot.pause()
        assert app.view.scroll_offset.y == 21
        app.view.focus()
        await pilot.press("pageup")
        await pilot.pause()
        assert app.view.scroll_offset.y < 21
        at = app.view.scroll_offset.y
        app.view.set_lines(lines(40))
        await pilot.pause()
        assert app.view.scroll_offset.y == at
        await pilot.press("end")
        await pilot.pause()
        app.view.set_lines(lines(41))
        await pilot.pause()
        assert app.view.scroll_offset.y == 31


async def test_the_end_stays_in_view_while_the_terminal_becomes_smaller_and_larger() -> None:
    app = Log(follow=True)
    async with app.run_test(size=(40, 20)) as pilot:
        app.view.set_lines(lines(60))
        for height in (6, 12, 20, 3):
            await pilot.resize_terminal(40, height)
            await pilot.pause()
            assert app.view.scroll_offset.y == 60 - height
        app.view.set_lines(lines(61))
        await pilot.pause()
        assert app.view.scroll_offset.y == 58
        app.view.focus()
        await pilot.press("home")
        await pilot.resize_terminal(40, 10)
        app.view.set_lines(lines(70))
        await pilot.pause()
        assert app.view.scroll_offset.y == 0  # whoever scrolled up stays there


async def test_a_view_that_does_not_follow_stays_where_it_is() -> None:
    app = Log(follow=False)
    async with app.run_test(size=(40, 10)) as pilot:
        app.view.set_lines(lines(30))
        await pilot.pause()
        assert app.view.scroll_offset.y == 0

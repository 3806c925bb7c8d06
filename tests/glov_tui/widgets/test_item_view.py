"""A cursor over items of several rows."""

from __future__ import annotations

from contextlib import asynccontextmanager

from textual import on
from textual.app import App, ComposeResult

from glov_tui.widgets.item_view import ItemView

HEIGHT = 6


class Items(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.view = ItemView()
        self.chosen: list[int] = []

    def compose(self) -> ComposeResult:
        yield self.view

    @on(ItemView.ItemChosen)
    def _chosen(self, event: ItemView.ItemChosen) -> None:
        self.chosen.append(event.index)


@asynccontextmanager
async def items(*rows: int):
    """An app with items of so many rows."""
    app = Items()
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        begins = [sum(rows[:i]) for i in range(len(rows))]
        lines = [((f"item {i} row {n}", ""),) for i, most in enumerate(rows) for n in range(most)]
        app.view.set_items(lines, begins)
        await pilot.pause()
        yield pilot, app


def seen(app: Items) -> list[str]:
    return ["".join(s.text for s in app.view.render_line(y)).rstrip() for y in range(HEIGHT)]


async def test_the_bar_stands_before_all_rows_of_the_item_under_the_cursor() -> None:
    async with items(2, 1, 2) as (pilot, app):
        await pilot.press("down", "down")
        assert [row[0] for row in seen(app)[:5]] == [" ", " ", " ", "▌", "▌"]
        await pilot.press("home")
        assert [row[0] for row in seen(app)[:5]] == ["▌", "▌", " ", " ", " "]
        app.set_focus(None)
        await pilot.pause()
        assert not any("▌" in row for row in seen(app))


async def test_enter_chooses_the_item_and_the_cursor_stops_at_the_ends() -> None:
    async with items(1, 3, 1) as (pilot, app):
        await pilot.press("up", "enter", "down", "enter", "end", "down", "enter")
        assert app.chosen == [0, 1, 2]


async def test_an_item_out_of_view_is_scrolled_to_as_a_whole() -> None:
    async with items(3, 3, 3, 3) as (pilot, app):
        await pilot.press("down", "down")
        assert seen(app)[-1] == "▌item 2 row 2"
        await pilot.press("up", "up")
        assert seen(app)[0] == "▌item 0 row 0"


async def test_all_of_an_item_that_is_higher_than_the_view_can_be_read() -> None:
    async with items(1, 9, 1) as (pilot, app):
        await pilot.press("down")
        assert seen(app)[0] == "▌item 1 row 0"
        await pilot.press("down", "down", "down")
        assert seen(app)[-1] == "▌item 1 row 8" and app.view.cursor == 1
        await pilot.press("down")
        assert app.view.cursor == 2 and seen(app)[-1] == "▌item 2 row 0"


async def test_a_click_moves_the_cursor_and_one_on_the_cursor_chooses() -> None:
    async with items(2, 2, 3) as (pilot, app):
        await pilot.click(app.view, offset=(3, 3))
        assert app.view.cursor == 1 and not app.chosen
        await pilot.click(app.view, offset=(3, 2))  # another row of the same item
        assert app.chosen == [1]
        await pilot.press("end")  # scrolled by one row now
        assert app.view.scroll_offset.y == 1
        await pilot.click(app.view, offset=(3, 0))
        assert app.view.cursor == 0


async def test_without_items_no_key_does_anything() -> None:
    async with items() as (pilot, app):
        app.view.set_items([(("Nothing yet.", ""),)], ())
        await pilot.press("down", "end", "enter")
        await pilot.click(app.view, offset=(3, 0))
        assert app.view.cursor is None and not app.chosen

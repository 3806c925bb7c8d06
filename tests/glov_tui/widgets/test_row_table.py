"""The table of rows: what is built, where the cursor is, and what a click does."""

from __future__ import annotations

from textual.app import App, ComposeResult

from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line

HEADER: Line = (("name", ""),)


class TableApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.built: list[int] = []
        self.chosen: list[str] = []

    def compose(self) -> ComposeResult:
        yield RowTable()

    def fill(self, n: int, cursor: int = 0, fixed: int = 0, first: int = 0) -> RowTable:
        def build(index: int) -> Line:
            self.built.append(index)
            return ((f"row {first + index}", "dim"),)

        table = self.query_one(RowTable)
        table.set_rows(HEADER, [str(first + i) for i in range(n)], build, cursor, fixed)
        table.focus()
        return table

    def on_row_table_row_chosen(self, message: RowTable.RowChosen) -> None:
        self.chosen.append(message.key)


def shown(table: RowTable) -> list[str]:
    return [table.render_line(y).text.strip(" ▌") for y in range(table.size.height)]


async def test_only_rows_in_view_are_built() -> None:
    app = TableApp()
    async with app.run_test(size=(20, 8)) as pilot:
        table = app.fill(5000)
        await pilot.pause()
        assert set(app.built) == set(range(7))
        assert shown(table) == ["name", *(f"row {i}" for i in range(7))]


async def test_the_cursor_stays_in_view_and_within_the_rows() -> None:
    app = TableApp()
    async with app.run_test(size=(20, 8)) as pilot:
        table = app.fill(100)
        await pilot.press("up")
        assert table.selected_key == "0"
        await pilot.press("end")
        assert table.selected_key == "99"
        assert shown(table)[-1] == "row 99"
        await pilot.press("down", "pageup")
        assert table.selected_key == "93"
        app.fill(10, cursor=50)
        await pilot.pause()
        assert table.selected_key == "9"
        assert "row 9" in shown(table)
        app.fill(0)
        assert table.selected_key is None
        await pilot.press("enter", "down")
        assert app.chosen == []


async def test_enter_and_clicks() -> None:
    app = TableApp()
    async with app.run_test(size=(20, 8)) as pilot:
        table = app.fill(3)
        await pilot.press("down", "enter")
        assert app.chosen == ["1"]
        await pilot.click(RowTable, offset=(2, 3))
        assert table.selected_key == "2" and app.chosen == ["1"]
        await pilot.click(RowTable, offset=(2, 3))
        assert app.chosen == ["1", "2"]
        await pilot.click(RowTable, offset=(2, 0))
        await pilot.click(RowTable, offset=(2, 6))
        assert table.selected_key == "2" and app.chosen == ["1", "2"]


async def test_long_and_wide_rows_are_cut_to_the_width() -> None:
    app = TableApp()
    async with app.run_test(size=(10, 8)) as pilot:
        table = app.query_one(RowTable)
        lines: list[Line] = [
            (("0123456789", ""),),
            (("0123", ""), ("456789abcdef", "dim")),
            (("図" * 4 + "り" * 4, ""),),
        ]
        table.set_rows(HEADER, ["a", "b", "c"], lambda i: lines[i], 0)
        await pilot.pause()
        assert [table.render_line(y).text.rstrip() for y in (1, 2, 3)] == [
            "▌01234567…",
            " 01234567…",
            " 図図図図…",
        ]
        assert {table.render_line(y).cell_length for y in range(8)} == {10}


async def test_the_row_under_the_cursor_is_marked_without_colour() -> None:
    app = TableApp()
    async with app.run_test(size=(20, 8)) as pilot:
        table = app.fill(5)
        await pilot.press("down")
        rows = [table.render_line(y).text.rstrip() for y in range(1, 6)]
        assert rows == [" row 0", "▌row 1", " row 2", " row 3", " row 4"]


async def test_the_first_rows_stay_in_view_where_there_is_room() -> None:
    app = TableApp()
    async with app.run_test(size=(20, 9)) as pilot:
        table = app.fill(100, fixed=3)
        await pilot.press("end")
        assert shown(table)[1:] == [
            "row 0",
            "row 1",
            "row 2",
            *(f"row {n}" for n in range(95, 100)),
        ]
        await pilot.press("up", "up", "up", "up", "up")
        assert shown(table)[4] == f"row {table.selected_key}" == "row 94"
        await pilot.click(RowTable, offset=(2, 2))
        assert table.selected_key == "1"
        await pilot.press("home")
        assert shown(table)[1:] == [f"row {n}" for n in range(8)]
        await pilot.press("end", "up")
        assert table.selected_key == "98"
        await pilot.resize_terminal(20, 7)
        await pilot.pause()
        assert shown(table)[1:] == ["row 0", "row 1", "row 2", "row 96", "row 97", "row 98"]
        await pilot.resize_terminal(20, 6)
        await pilot.pause()
        assert "row 98" in shown(table)
        await pilot.press("end")
        assert shown(table)[1:] == [f"row {n}" for n in range(95, 100)]


async def test_what_is_looked_at_stays_in_place_when_rows_come_in_above() -> None:
    app = TableApp()
    async with app.run_test(size=(20, 9)) as pilot:
        table = app.fill(100)
        for _ in range(20):
            await pilot.press("down")
        before = shown(table)
        table = app.fill(103, cursor=23, first=-3)  # three new rows on top
        await pilot.pause()
        assert table.selected_key == "20" and shown(table) == before
        table.scroll_to(y=60, animate=False, immediate=True)  # the cursor is out of view
        await pilot.pause()
        before = shown(table)
        app.fill(105, cursor=25, first=-5)
        await pilot.pause()
        assert table.selected_key == "20" and shown(table) == before


async def test_moving_the_cursor_is_told() -> None:
    class Told(TableApp):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[str] = []

        def on_row_table_row_selected(self, message: RowTable.RowSelected) -> None:
            self.told.append(message.key)

    app = Told()
    async with app.run_test(size=(20, 8)) as pilot:
        table = app.fill(5)
        await pilot.press("down", "up", "up")
        assert app.told == ["1", "0"]
        assert table.select("3") and not table.select("nothing")
        await pilot.pause()
        assert app.told == ["1", "0", "3"]

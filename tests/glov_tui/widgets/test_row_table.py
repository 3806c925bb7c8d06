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

    def fill(self, n: int, cursor: int = 0) -> RowTable:
        def build(index: int) -> Line:
            self.built.append(index)
            return ((f"row {index}", "dim"),)

        table = self.query_one(RowTable)
        table.set_rows(HEADER, [str(i) for i in range(n)], build, cursor)
        table.focus()
        return table

    def on_row_table_row_chosen(self, message: RowTable.RowChosen) -> None:
        self.chosen.append(message.key)


def shown(table: RowTable) -> list[str]:
    return [table.render_line(y).text.strip() for y in range(table.size.height)]


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
            "0123456789",
            "01234…cdef",
            "図 …りりり",
        ]
        assert {table.render_line(y).cell_length for y in range(8)} == {10}

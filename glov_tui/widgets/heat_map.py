"""``HeatMap``: a heat table of many cells, edge to edge and without numbers.

A shade is a background where there are colours, and a sign where there are none. Under the map lie
tracks: lines of one sign for each column, that scroll with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from glov_tui.widgets.cells import Grid, text_width
from glov_tui.widgets.heat_table import HeatCell, HeatTable

Track = tuple[str, Sequence[str]]
"""A name and the sign of each column, one cell wide."""


class HeatMap(HeatTable):
    """Of its cells only those in view are looked at, so that rows may be made as they are asked."""

    @dataclass
    class Chosen(Message):
        """``choose``, or a click on the cell under the cursor: its row and column, from 0."""

        row: int
        column: int

    def __init__(
        self, shades: str, mark: str = "*", ascii_only: bool = False, colours: bool = True
    ) -> None:
        """As ``HeatTable``; ``colours``: whether there are backgrounds in place of signs."""
        super().__init__(shades, mark, ascii_only, colours)
        self._tracks: Sequence[Track] = ()
        self._map_cell = 1

    def set_map(
        self,
        corner: str,
        columns: Sequence[str],
        rows: Sequence[str],
        cells: Sequence[Sequence[HeatCell]],
        tracks: Sequence[Track],
        cursor: tuple[int, int] | None = None,
        cell_width: int = 1,
    ) -> None:
        """As ``set_table``, with lines under it; a cell is ``cell_width`` wide."""
        self._tracks, self._map_cell = tracks, cell_width
        self.set_table(corner, columns, rows, cells, cursor)

    @staticmethod
    def room_for(names: Sequence[str], width: int) -> int:
        """Cells of columns that fit beside names such as these in a map that is so wide."""
        return max(1, width - max(map(text_width, names), default=0) - 1)

    @property
    def _cell_width(self) -> int:
        return self._map_cell

    @property
    def _name_width(self) -> int:
        names = (*self._rows, self._corner, *(name for name, _ in self._tracks))
        return max(map(text_width, names)) + 1

    @property
    def _below(self) -> int:
        return len(self._tracks)

    def _draw_heads(self, grid: Grid, shown: Sequence[str]) -> None:
        """The names of columns at even distances, as many as fit; and the tracks."""
        name, width = self._name_width, self._cell_width
        every = -(-(max(map(text_width, shown), default=0) + 2) // width)
        for i, label in enumerate(shown):
            x = name + i * width
            if (self._left + i) % every == 0 and x + text_width(label) <= grid.width:
                grid.text(x, 0, label, "header")
        rows, _ = self._fitting()
        for y, (label, signs) in enumerate(self._tracks, 1 + min(rows, len(self._rows))):
            grid.text(0, y, label.rjust(name - 1), "header")
            for i, sign in enumerate(signs[self._left : self._left + len(shown)]):
                style = "cursor" if self._left + i == self._cursor[1] else ""
                x = name + i * width
                grid.text(x, y, sign.ljust(width), style, x + width)

    def _draw_cell(
        self, grid: Grid, x: int, y: int, cell: HeatCell, width: int, here: bool
    ) -> None:
        shade = " " if cell.level is None or self._colours else self._shades[cell.level]
        text = shade * width
        if cell.marked and (self._colours or cell.level is None):
            text = self._mark + text[1:]
        style = "" if cell.level is None or not self._colours else f"{cell.level}"
        style += (" marked" if cell.marked else "") + (" cursor" if here else "")
        grid.text(x, y, text, style, x + width)

    def on_click(self, event: events.Click) -> None:
        """As choose, where the cursor is there already; before the table puts it there."""
        rows, columns = self._fitting()
        row = self._top + event.y - 1
        column = self._left + (event.x - self._name_width) // self._cell_width
        in_view = 1 <= event.y <= rows and self._left <= column < self._left + columns
        if rows and in_view and (row, column) == self.cursor:
            self.action_choose()

    def action_choose(self) -> None:
        """Post the cell under the cursor."""
        if self._rows and self._columns:
            self.post_message(self.Chosen(*self._cursor))

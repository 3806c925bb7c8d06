"""``HeatMap``: a heat table of many cells, edge to edge and without numbers.

A shade is a background where there are colours, and a sign where there are none. Under the map lie
tracks: lines of one sign for each column, that scroll with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from glov_tui.widgets.cells import Grid, text_width
from glov_tui.widgets.heat_table import HeatCell, HeatTable

Track = tuple[str, Sequence[str]]
"""A name and the sign of each column, one cell wide."""


class HeatMap(HeatTable):
    """Of its cells only those in view are looked at, so that rows may be made as they are asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Open", show=False, tooltip="Open the cell under the cursor"),
    ]

    @dataclass
    class Chosen(Message):
        """Enter on a cell, or a second click on it: its row and column, from 0."""

        row: int
        column: int

    def __init__(
        self, shades: str, mark: str = "*", ascii_only: bool = False, colours: bool = True
    ) -> None:
        """As ``HeatTable``; ``colours``: whether there are backgrounds in place of signs."""
        super().__init__(shades, mark, ascii_only)
        self._colours = colours
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

    def room_for(self, names: Sequence[str], tracks: int) -> tuple[int, int]:
        """Rows and cells of columns that fit beside names such as these, over so many tracks."""
        name = max(map(text_width, names), default=0) + 1
        return max(1, self.size.height - 1 - tracks), max(1, self.size.width - name)

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
        style = "" if cell.level is None else f"{cell.level}"
        style += (" marked" if cell.marked else "") + (" cursor" if here else "")
        grid.text(x, y, text, style, x + width)

    def action_choose(self) -> None:
        """Post the cell under the cursor."""
        if self._rows and self._columns:
            self.post_message(self.Chosen(*self._cursor))

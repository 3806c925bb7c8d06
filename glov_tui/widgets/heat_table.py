"""``HeatTable``: a table of shaded cells with a cursor, repainted when a cell changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from glov_tui.widgets.cells import Grid, text_width
from glov_tui.widgets.component_styles import KeepsComponentStyles

OPACITIES = (0, 9, 18, 29, 42, 59, 92)
"""Of the colour of heat on the background, in percent, one for each shade."""


def shades_css(prefix: str) -> str:
    """A rule for each shade: of ``prefix`` with its number."""
    rules = (
        f"{prefix}{level} {{ background: $warning {opacity}%; color: auto 100%; }}"
        for level, opacity in enumerate(OPACITIES)
    )
    return "\n        ".join(rules)


@dataclass(frozen=True, slots=True)
class HeatCell:
    """``text`` with its shade, 0 to ``levels`` - 1, or None for no shade."""

    text: str
    level: int | None = None
    marked: bool = False


class HeatTable(KeepsComponentStyles, can_focus=True):
    """Rows and columns of shaded cells; the cursor is moved by arrow keys or a click.

    A shade is a background colour and a character before the text, so that it is read without
    colours too. Rows and columns that don't fit scroll with the cursor.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"heat--{level}" for level in range(len(OPACITIES))),
        "heat--header",
        "heat--marked",
        "heat--cursor",
        "heat--cursor-away",
    }
    DEFAULT_CSS = f"""
    HeatTable {{
        width: 1fr;
        height: 1fr;
        & > .heat--header {{ color: $text-muted; }}
        & > .heat--marked {{ text-style: bold underline; }}
        & > .heat--cursor {{ text-style: bold reverse; }}
        & > .heat--cursor-away {{ text-style: reverse; }}
        {shades_css("& > .heat--")}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Row above", show=False),
        Binding("down,j", "move(1, 0)", "Row below", show=False),
        Binding("left,h", "move(0, -1)", "Column before", show=False),
        Binding("right,l", "move(0, 1)", "Column after", show=False),
        Binding("home", "move(0, -1000)", "First column", show=False),
        Binding("end", "move(0, 1000)", "Last column", show=False),
        Binding("pageup", "move(-1000, 0)", "First row", show=False),
        Binding("pagedown", "move(1000, 0)", "Last row", show=False),
    ]

    @dataclass
    class CursorMoved(Message):
        """The cursor is on another cell: its row and column, from 0."""

        row: int
        column: int

    def __init__(
        self, shades: str, mark: str = "*", ascii_only: bool = False, colours: bool = True
    ) -> None:
        """``shades`` is the character of each level, ``mark`` that of a marked cell; ``colours``:
        whether there are backgrounds too.
        """
        super().__init__()
        self._colours = colours
        self._shades, self._mark, self._ascii = shades, mark, ascii_only
        self._corner = ""
        self._columns: Sequence[str] = ()
        self._rows: Sequence[str] = ()
        self._cells: Sequence[Sequence[HeatCell]] = ()
        self._cursor = (0, 0)
        self._top = self._left = 0
        self._grid: Grid | None = None

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0."""
        return self._cursor

    def set_table(
        self,
        corner: str,
        columns: Sequence[str],
        rows: Sequence[str],
        cells: Sequence[Sequence[HeatCell]],
        cursor: tuple[int, int] | None = None,
    ) -> None:
        """Show ``cells``, one sequence for each row; ``cursor`` None leaves it where it is."""
        self._corner, self._columns, self._rows, self._cells = corner, columns, rows, cells
        self._put_cursor(*(self._cursor if cursor is None else cursor))
        self._redraw()

    @property
    def plain(self) -> str:
        """What is in view, as text."""
        return str(self._grid) if self._grid else ""

    # -- drawing -----------------------------------------------------------------------------

    @property
    def _cell_width(self) -> int:
        texts = [cell.text for row in self._cells for cell in row]
        return max(
            [text_width(text) + 4 for text in texts] + [text_width(c) + 2 for c in self._columns]
        )

    @property
    def _name_width(self) -> int:
        return max(text_width(text) for text in (*self._rows, self._corner)) + 1

    @property
    def _below(self) -> int:
        """Lines under the rows."""
        return 0

    def _fitting(self) -> tuple[int, int]:
        """How many rows and columns are in view."""
        if not (self._rows and self._columns and self.size.area):
            return 0, 0
        rows = self.size.height - 1 - self._below
        columns = (self.size.width - self._name_width) // self._cell_width
        return max(1, rows), max(1, columns)

    def _redraw(self) -> None:
        grid = Grid(self.size.width, self.size.height, self._ascii)
        rows, columns = self._fitting()
        if rows:
            row, column = self._cursor
            self._top = min(max(self._top, row - rows + 1), row, max(0, len(self._rows) - rows))
            self._left = min(
                max(self._left, column - columns + 1), column, max(0, len(self._columns) - columns)
            )
            self._draw(grid, rows, columns)
        old, self._grid = self._grid, grid
        if grid != old:
            self.refresh()

    def _draw(self, grid: Grid, rows: int, columns: int) -> None:
        name, width = self._name_width, self._cell_width
        grid.text(0, 0, self._corner.rjust(name - 1), "header")
        self._draw_heads(grid, self._columns[self._left : self._left + columns])
        for y, label in enumerate(self._rows[self._top : self._top + rows], 1):
            grid.text(0, y, label.rjust(name - 1), "header")
            row = self._cells[self._top + y - 1]
            for i, cell in enumerate(row[self._left : self._left + columns]):
                here = (self._top + y - 1, self._left + i) == self._cursor
                self._draw_cell(grid, name + i * width, y, cell, width, here)
        # What is out of view, to the left, right, above and below.
        edge = grid.width - 1
        for hidden, x, y, sign in (
            (self._left > 0, name - 1, 0, "<"),
            (self._left + columns < len(self._columns), edge, 0, ">"),
            (self._top > 0, edge, 1, "^"),
            (self._top + rows < len(self._rows), edge, rows, "v"),
        ):
            if hidden:
                grid.put(x, y, sign, "header")

    def _draw_heads(self, grid: Grid, shown: Sequence[str]) -> None:
        name, width = self._name_width, self._cell_width
        for i, label in enumerate(shown):
            grid.text(name + i * width + 3, 0, label, "header", name + (i + 1) * width)

    def _draw_cell(
        self, grid: Grid, x: int, y: int, cell: HeatCell, width: int, here: bool
    ) -> None:
        shade = " " if cell.level is None else self._shades[cell.level]
        mark = self._mark if cell.marked else " "
        text = f" {shade} {cell.text}{mark}".ljust(width)
        style = "" if cell.level is None or not self._colours else f"{cell.level}"
        if cell.marked:
            style += " marked"
        if here:
            style += " cursor"
        grid.text(x, y, text, style, x + width)
        # The shade stands apart from its neighbour by a gap that is not coloured.
        grid.put(x, y, " ", "")

    def render_line(self, y: int) -> Strip:
        """One row."""
        if self._grid is None or y >= self._grid.height:
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        return self._grid.strip(y, self._style)

    def _style(self, names: str) -> Style:
        style = self.visual_style.rich_style
        for name in names.split():
            if name == "cursor" and not self.has_focus:
                name = "cursor-away"
            if name.isdigit() or name == "header":
                style = self.get_component_rich_style(f"heat--{name}")
            else:
                style += self.get_component_rich_style(f"heat--{name}", partial=True)
        return style

    def notify_style_update(self) -> None:
        """Repaint in the colours of another theme."""
        super().notify_style_update()
        self.refresh()

    # -- the cursor --------------------------------------------------------------------------

    def _put_cursor(self, row: int, column: int) -> None:
        row = max(0, min(row, len(self._rows) - 1))
        column = max(0, min(column, len(self._columns) - 1))
        if (row, column) != self._cursor:
            self._cursor = (row, column)
            self.post_message(self.CursorMoved(row, column))

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor, as far as there are cells."""
        self._put_cursor(self._cursor[0] + rows, self._cursor[1] + columns)
        self._redraw()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell that is clicked."""
        rows, columns = self._fitting()
        if not rows:
            return
        column = (event.x - self._name_width) // self._cell_width
        if 1 <= event.y <= rows and 0 <= column < columns:
            self._put_cursor(self._top + event.y - 1, self._left + column)
            self._redraw()

    def on_resize(self) -> None:
        """Another number of cells fits."""
        self._redraw()

    def on_focus(self) -> None:
        """The cursor looks different with the focus."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor looks different without the focus."""
        self.refresh()

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self.action_move(1, 0)

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor."""
        self.action_move(-1, 0)

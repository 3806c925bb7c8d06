"""A table of many rows with a cursor: only the rows in view are ever built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from glov_tui.widgets.spans import Line, SpanView


class RowTable(SpanView):
    """A header over rows that are known by their keys and drawn when they are looked at.

    Textual's DataTable keeps and measures every cell of every row; a run has thousands of
    templates, and the ranking changes several times a second.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--header"}
    DEFAULT_CSS = """
    RowTable {
        height: 1fr;
        .rows--header { text-style: bold; }
        .rows--cursor { background: $boost; }
        &:focus .rows--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground;
            text-style: $block-cursor-text-style;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move_to(0)", "First", show=False),
        Binding("end", "move_to(-1)", "Last", show=False),
        Binding("enter", "choose", "Details", tooltip="Open the template", show=False),
    ]

    @dataclass
    class RowChosen(Message):
        """Enter, or a click on the row under the cursor."""

        key: str

    def __init__(self) -> None:
        super().__init__()
        self._header: Line = ()
        self._keys: Sequence[str] = ()
        self._build: Callable[[int], Line] = lambda index: ()
        self._cursor = 0
        self._shown: list[Line] = []  # the rows in view as they were built last

    @property
    def keys(self) -> Sequence[str]:
        """The keys of the rows, from the top."""
        return self._keys

    @property
    def cursor(self) -> int:
        """The number of the row under the cursor, from 0."""
        return self._cursor

    @property
    def selected_key(self) -> str | None:
        """The key of the row under the cursor; None without rows."""
        return self._keys[self._cursor] if self._keys else None

    def set_rows(
        self, header: Line, keys: Sequence[str], build: Callable[[int], Line], cursor: int
    ) -> None:
        """Show these rows; those that look the same are not repainted.

        ``build`` gives the line of a row by its number, and is kept until the next call.
        """
        if header != self._header:
            self._header = header
            self.refresh(Region(0, 0, self.size.width, 1))
        moved = cursor != self._cursor
        self._keys, self._build = keys, build
        self._cursor = max(0, min(cursor, len(keys) - 1))
        size = Size(self.scrollable_content_region.width, len(keys) + 1)
        if self.virtual_size != size:
            self.virtual_size = size
        if moved:
            self._follow_cursor()
        self._refresh_changed()

    def line(self, index: int) -> str:
        """The text of a row."""
        return "".join(text for text, _ in self._build(index))

    def _in_view(self) -> range:
        first = self.scroll_offset.y
        return range(first, min(len(self._keys), first + max(0, self.size.height - 1)))

    def _refresh_changed(self) -> None:
        before, self._shown = self._shown, [self._build(index) for index in self._in_view()]
        for y in range(max(len(before), len(self._shown))):
            old = before[y] if y < len(before) else None
            if y >= len(self._shown) or old != self._shown[y]:
                self._refresh_row(self.scroll_offset.y + y)

    def _refresh_row(self, index: int) -> None:
        y = 1 + index - self.scroll_offset.y
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """The header, or one row."""
        width = self.scrollable_content_region.width
        if y == 0:
            return self.strip(self._header, width, self.get_component_rich_style("rows--header"))
        index = self.scroll_offset.y + y - 1
        if index >= len(self._keys):
            return Strip.blank(width, self.rich_style)
        line = _shortened(self._build(index), width)
        over = self.get_component_rich_style("rows--cursor") if index == self._cursor else None
        return self.strip(line, width, over)

    # -- the cursor --------------------------------------------------------------------------

    def _follow_cursor(self) -> None:
        first, rows = self.scroll_offset.y, max(1, self.size.height - 1)
        target = min(max(first, self._cursor - rows + 1), self._cursor)
        if target != first:
            self.scroll_to(y=target, animate=False, immediate=True, force=True)
            self.refresh()

    def action_move_to(self, index: int) -> None:
        """Put the cursor on a row; -1 is the last."""
        if not self._keys:
            return
        last = len(self._keys) - 1
        old, self._cursor = self._cursor, last if index < 0 else min(index, last)
        self._refresh_row(old)
        self._refresh_row(self._cursor)
        self._follow_cursor()

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.action_move_to(max(0, self._cursor + by))

    def action_page(self, direction: int) -> None:
        """Move the cursor by a view's height."""
        self.action_move(direction * max(1, self.size.height - 2))

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.selected_key is not None:
            self.post_message(self.RowChosen(self.selected_key))

    def on_click(self, event: Click) -> None:
        """The first click moves the cursor, one on the cursor chooses."""
        index = self.scroll_offset.y + event.y - 1
        if event.y < 1 or index >= len(self._keys):
            return
        if index == self._cursor:
            self.action_choose()
        else:
            self.action_move_to(index)


def _shortened(line: Line, width: int) -> Line:
    """``line``, its last span cut in the middle where it is wider than ``width`` cells.

    Texts that a search has found begin alike: their ends tell them apart.
    """
    *first, (text, style) = line
    room = width - sum(cell_len(part) for part, _ in first)
    if cell_len(text) <= room or room < 3:
        return line
    head = set_cell_size(text, (room - 1) // 3)
    tail = set_cell_size(text[::-1], room - 1 - cell_len(head))[::-1]
    return (*first, (f"{head}…{tail}", style))

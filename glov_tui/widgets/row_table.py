"""A table of many rows with a cursor: only the rows in view are ever built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from glov_tui.widgets.spans import Line, SpanView

FIXED_ROWS_NEED = 3
"""Rows that scroll, at least, where others are held at the top."""


class RowTable(SpanView):
    """A header over rows that are known by their keys and drawn when they are looked at.

    Textual's DataTable keeps and measures every cell of every row; a run has thousands of
    templates, and the ranking changes several times a second.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("rows--cursor", "rows--cursor-away"),
        *("rows--header", "rows--bar"),
    }
    DEFAULT_CSS = """
    RowTable {
        height: 1fr;
        .rows--header { text-style: bold; }
        .rows--bar { color: $accent; text-style: bold; }
        .rows--cursor { background: $accent 30%; text-style: bold; }
        .rows--cursor-away { background: $foreground 12%; }
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

    @dataclass
    class RowSelected(Message):
        """A person moved the cursor to another row."""

        key: str

    def __init__(self, bar: str = "▌") -> None:
        """``bar``: one cell that stands before the row under the cursor."""
        super().__init__()
        self._bar = bar
        self._header: Line = ()
        self._empty = ""
        self._keys: Sequence[str] = ()
        self._build: Callable[[int], Line] = lambda index: ()
        self._cursor = 0
        self._fixed = 0
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

    def set_empty(self, text: str) -> None:
        """What stands in the first row while there are none."""
        if text != self._empty:
            self._empty = text
            self.refresh(Region(0, 1, self.size.width, 1))

    def set_rows(
        self,
        header: Line,
        keys: Sequence[str],
        build: Callable[[int], Line],
        cursor: int,
        fixed: int = 0,
    ) -> None:
        """Show these rows; those that look the same are not repainted.

        What a person looks at stays where it is when rows come in above it: the row under the
        cursor, or where that is out of view the first one that scrolls.

        Args:
            header: the line above all rows.
            keys: one a row.
            build: gives the line of a row by its number; kept until the next call.
            cursor: the number of the row under the cursor.
            fixed: so many of the first rows stay in view, where there is room.
        """
        if header != self._header:
            self._header = header
            self.refresh(Region(0, 0, self.size.width, 1))
        cursor = max(0, min(cursor, len(keys) - 1))
        scroll = self._scroll_that_keeps(keys, cursor)
        self._keys, self._build, self._cursor, self._fixed = keys, build, cursor, fixed
        size = Size(self.scrollable_content_region.width, len(keys) + 1)
        if self.virtual_size != size:
            self.virtual_size = size
        if scroll != self.scroll_offset.y:
            self.scroll_to(y=scroll, animate=False, immediate=True, force=True)
        self._refresh_changed()

    def _scroll_that_keeps(self, keys: Sequence[str], cursor: int) -> int:
        """Where to scroll to so that the row that is looked at does not move."""
        first = self.scroll_offset.y
        if not first or not self._keys:
            return first
        at = self._cursor
        stays = cursor < len(keys) and keys[cursor] == self._keys[at]
        if stays and at >= self._held and at in self._in_view():
            return max(0, first + cursor - at)
        top = self._keys[min(len(self._keys) - 1, first + self._held)]
        return max(0, keys.index(top) - self._held) if top in keys else first

    def line(self, index: int) -> str:
        """The text of a row."""
        return "".join(text for text, _ in self._build(index))

    @property
    def _held(self) -> int:
        """Rows at the top that do not scroll."""
        return self._fixed if self.size.height - 1 - self._fixed >= FIXED_ROWS_NEED else 0

    def _in_view(self) -> list[int]:
        """The numbers of the rows in view, from the top."""
        held, first = self._held, self.scroll_offset.y
        rows = [*range(held), *range(first + held, first + max(held, self.size.height - 1))]
        return [index for index in rows if index < len(self._keys)]

    def _refresh_changed(self) -> None:
        before, self._shown = self._shown, [self._look(index) for index in self._in_view()]
        for y in range(max(len(before), len(self._shown))):
            old = before[y] if y < len(before) else None
            if y >= len(self._shown) or old != self._shown[y]:
                self.refresh(Region(0, 1 + y, self.size.width, 1))

    def _look(self, index: int) -> Line:
        """A row with its bar, so that a moved cursor counts as a change."""
        bar = self._bar if index == self._cursor else " "
        return ((bar, "rows--bar"), *self._build(index))

    def _refresh_row(self, index: int) -> None:
        if index in self._in_view():
            self.refresh(Region(0, 1 + self._in_view().index(index), self.size.width, 1))

    @property
    def line_width(self) -> int:
        """Cells of a row for its line; the bar takes the first."""
        return max(0, self.scrollable_content_region.width - 1)

    def render_line(self, y: int) -> Strip:
        """The header, or one row."""
        width = self.scrollable_content_region.width
        if y == 0:
            header = ((" ", ""), *self._header)
            return self.strip(header, width, self.get_component_rich_style("rows--header"))
        rows = self._in_view()
        if y == 1 and not self._keys and self._empty:
            return self.strip(cut(((" ", ""), (self._empty, "dim")), width), width)
        if y - 1 >= len(rows):
            return Strip.blank(width, self.visual_style.rich_style)
        index = rows[y - 1]
        selected = index == self._cursor
        bar = Segment(self._bar if selected else " ", self.get_component_rich_style("rows--bar"))
        line = cut(self._build(index), self.line_width)
        cursor = "rows--cursor" if self.has_focus else "rows--cursor-away"
        over = self.get_component_rich_style(cursor) if selected else None
        return Strip.join([Strip([bar], 1), self.strip(line, width - 1, over)])

    def on_resize(self) -> None:
        """The row under the cursor stays in view, also where fewer rows have room."""
        self._follow_cursor()

    # -- the cursor --------------------------------------------------------------------------

    def _follow_cursor(self) -> None:
        first, held = self.scroll_offset.y, self._held
        rows = max(1, self.size.height - 1)
        target = min(max(first, self._cursor - rows + 1), max(0, self._cursor - held))
        if target != first:
            self.scroll_to(y=target, animate=False, immediate=True, force=True)
            self.refresh()

    def action_move_to(self, index: int, follow: bool = True) -> None:
        """Put the cursor on a row, and by default scroll to it; -1 is the last."""
        if not self._keys:
            return
        last = len(self._keys) - 1
        old, self._cursor = self._cursor, last if index < 0 else min(index, last)
        self._refresh_row(old)
        self._refresh_row(self._cursor)
        if follow:
            self._follow_cursor()
        if self._cursor != old:
            self.post_message(self.RowSelected(self._keys[self._cursor]))

    def select(self, key: str) -> bool:
        """Put the cursor on the row of this key and show it; whether there is one."""
        if key not in self._keys:
            return False
        self.action_move_to(self._keys.index(key))
        return True

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
        rows = self._in_view()
        if not 1 <= event.y <= len(rows):
            return
        index = rows[event.y - 1]
        if index == self._cursor:
            self.action_choose()
        else:
            self.action_move_to(index, follow=False)  # it is in view


def cut(line: Line, width: int) -> Line:
    """``line`` of at most ``width`` cells, with an ellipsis at the end where it is wider."""
    if sum(cell_len(text) for text, _ in line) <= width:
        return line
    room, kept = max(0, width - 1), []
    for text, style in line:
        size = cell_len(text)
        if size > room:
            kept.append((set_cell_size(text, room).rstrip(), style))
            break
        room -= size
        kept.append((text, style))
    return (*kept, ("…", "dim"))

"""``ItemView``: a text of items, each of as many rows as it needs, with a cursor on one of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView


class ItemView(TextView):
    """A ``TextView`` whose first cell is the cursor's, shown while the view has the focus.

    The wheel and the page keys scroll; up, down, home and end move the cursor. A press of down
    within an item that is higher than the view shows more of it first.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"items--cursor", "items--bar"}
    DEFAULT_CSS = """
    ItemView {
        .items--bar { color: $accent; text-style: bold; }
        .items--cursor { background: $accent 30%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("home", "move_to(0)", "First", show=False),
        Binding("end", "move_to(-1)", "Last", show=False),
        Binding("enter", "choose", "Details", tooltip="Open it", show=False),
    ]

    @dataclass
    class ItemChosen(Message):
        """Enter, or a click on the item under the cursor; items are counted from 0."""

        index: int

    def __init__(self, bar: str = "▌", *, follow: bool = False, id: str | None = None) -> None:
        """``bar``: one cell that stands before all rows of the item under the cursor."""
        super().__init__(follow=follow, id=id)
        self._bar = bar
        self._begins: Sequence[int] = ()  # the first line of each item
        self._places: list[tuple[int, int]] = []  # its first row, and its last one with text
        self._cursor = 0

    @property
    def cursor(self) -> int | None:
        """The item under the cursor; None without items."""
        return min(self._cursor, len(self._begins) - 1) if self._begins else None

    def set_items(self, lines: Sequence[Line], begins: Sequence[int]) -> None:
        """Show these lines; ``begins`` are the indices of those with which an item begins.

        The cursor stays on the item of its number.
        """
        self._begins = begins if lines else ()
        self.set_lines(lines)

    def rows(self, line: Line, width: int) -> list[Line]:
        """Behind the cell of the cursor."""
        return [((" ", ""), *row) for row in super().rows(line, max(1, width - 1))]

    def render_line(self, y: int) -> Strip:
        """One row of the view, with the cursor where it is on its item."""
        strip = super().render_line(y)
        if not self.has_focus or self.cursor is None:
            return strip
        first, last = self._places[self.cursor]
        if not first <= self.scroll_offset.y + y <= last:
            return strip
        bar = Segment(self._bar, self.get_component_rich_style("items--bar"))
        whole = Strip.join([Strip([bar], 1), strip.crop(1)])
        return whole.apply_style(self.get_component_rich_style("items--cursor"))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Hide it."""
        self.refresh()

    def _rewrap(self) -> None:
        super()._rewrap()
        at = self._first_rows
        if len(at) <= len(self._lines):  # nothing has been laid out
            at = [0] * (len(self._lines) + 1)
        ends = [*self._begins, len(self._lines)][1:]
        self._places = [
            (at[begin], self._last_with_text(at[begin], at[end] - 1))
            for begin, end in zip(self._begins, ends, strict=True)
        ]

    def _last_with_text(self, first: int, last: int) -> int:
        while last > first and not any(text.strip() for text, _ in self._wrapped[last]):
            last -= 1
        return last

    def _item_of(self, row: int) -> int:
        """The item that a row belongs to, also an empty one behind it."""
        return max(0, bisect_right([first for first, _ in self._places], row) - 1)

    def _hit_shown(self, line: int) -> None:
        """The cursor goes with what is found."""
        if self._begins and line >= self._begins[0]:
            self._cursor = bisect_right(self._begins, line) - 1
            self.refresh()

    # -- the cursor --------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the cursor by items, or first show the rest of a high one."""
        if self.cursor is None:
            return
        first, last = self._places[self.cursor]
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        more_below = by > 0 and first <= top <= last and last >= top + height
        more_above = by < 0 and first < top <= last
        if more_below or more_above:
            self.scroll_to(y=top + by, animate=False, immediate=True, force=True)
            self.refresh()
        else:
            self.action_move_to(max(0, self.cursor + by))

    def action_move_to(self, index: int) -> None:
        """Put the cursor on an item and show it; -1 is the last."""
        if not self._begins:
            return
        last_item = len(self._begins) - 1
        self._cursor = last_item if index < 0 else min(index, last_item)
        first, last = self._places[self._cursor]
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        target = min(max(top, last - height + 1), first)
        if target != top:
            self.scroll_to(y=target, animate=False, immediate=True, force=True)
        self.refresh()

    def action_choose(self) -> None:
        """Choose the item under the cursor."""
        if self.cursor is not None:
            self.post_message(self.ItemChosen(self.cursor))

    def on_click(self, event: Click) -> None:
        """The first click moves the cursor, one on the cursor chooses; marked text does neither."""
        at = event.get_content_offset(self)  # None: on the border
        if at is None or not self._begins or self.text_selection is not None:
            return
        row = self.scroll_offset.y + at.y
        if row >= len(self._wrapped):
            return
        item = self._item_of(row)
        if item == self.cursor:
            self.action_choose()
        else:
            self.action_move_to(item)

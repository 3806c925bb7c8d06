"""``HBars``: labelled horizontal bars on one scale, repainted only where cells change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from glov_tui.widgets.bars import Bar, draw_bars, keep_visible
from glov_tui.widgets.cells import Grid
from glov_tui.widgets.component_styles import KeepsComponentStyles
from glov_tui.widgets.ticks import stable_scale

__all__ = ["Bar", "HBars"]


class HBars(KeepsComponentStyles, can_focus=True):
    """Horizontal bars, one a row, with marked rows, previous values and scrolling.

    Data come through ``set_bars``. Up, down, page up, page down, home and end move a cursor while
    the widget has the focus; enter and a click post ``BarSelected``.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"hbars--{name}"
        for name in (
            *("bar", "bar-marked", "label", "label-marked", "note", "note-marked"),
            *("mark", "ghost", "notch", "cursor", "scroll"),
        )
    }
    DEFAULT_CSS = """
    HBars {
        width: 1fr;
        height: 1fr;
        & > .hbars--bar { color: $text-primary; }
        & > .hbars--bar-marked { color: $text-warning; }
        & > .hbars--label { color: $text-muted; }
        & > .hbars--label-marked { color: $text-warning; text-style: bold; }
        & > .hbars--note { color: $text; }
        & > .hbars--note-marked { color: $text-warning; text-style: bold; }
        & > .hbars--mark { color: $text-warning; text-style: bold; }
        & > .hbars--ghost { color: $text-muted; }
        & > .hbars--notch { color: $text-accent; }
        & > .hbars--cursor { color: $text; text-style: bold reverse; }
        & > .hbars--scroll { color: $text-disabled; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Row above", show=False),
        Binding("down", "move(1)", "Row below", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move_to(0)", "First row", show=False),
        Binding("end", "move_to(-1)", "Last row", show=False),
        Binding("enter", "select_bar", "Choose this row", show=False),
    ]

    ascii: reactive[bool] = reactive(False, init=False)
    """Whether only ASCII characters are drawn."""
    cursor: reactive[int | None] = reactive(None, init=False, repaint=False)
    """The row under the keyboard cursor, shown while the widget has the focus."""

    class BarSelected(Message):
        """A row was clicked or chosen with enter; ``index`` counts the bars from 0."""

        def __init__(self, bars: HBars, index: int) -> None:
            super().__init__()
            self.bars = bars
            self.index = index

        @property
        def control(self) -> HBars:
            """The widget, for ``@on(HBars.BarSelected, "#id")``."""
            return self.bars

    def __init__(
        self,
        scale: float | None = None,
        ascii: bool = False,
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """``scale`` is the value of a full bar; None for a round one that follows the data."""
        super().__init__(name=name, id=id, classes=classes)
        self.set_reactive(HBars.ascii, ascii)
        self._fixed_scale = scale
        self._scale: float | None = scale
        self._bars: tuple[Bar, ...] = ()
        self._first = 0
        self._grid: Grid | None = None

    @property
    def scale(self) -> float:
        """The value of a full bar."""
        return self._scale or 1.0

    def set_bars(self, bars: Sequence[Bar]) -> None:
        """Show ``bars`` from top to bottom; a row whose mark is new is scrolled into view.

        Repaints the cells that differ from those on screen, nothing if none does, and never asks
        for a layout.
        """
        if tuple(bars) == self._bars:
            return
        before = [index for index, bar in enumerate(self._bars) if bar.marked]
        self._bars = tuple(bars)
        if self._fixed_scale is None:
            values = [value for bar in bars for value in (bar.value, bar.ghost or 0.0)]
            largest = max((value for value in values if math.isfinite(value)), default=0.0)
            self._scale = stable_scale(largest, self._scale)
        if self.cursor is not None and self.cursor >= len(bars):
            self.set_reactive(HBars.cursor, len(bars) - 1 if bars else None)
        marked = [index for index, bar in enumerate(bars) if bar.marked]
        if marked and marked != before:
            new = [index for index in marked if index not in before]
            self._show(new[0] if new else marked[0])
        self._update_cells()

    def _show(self, row: int) -> None:
        """Scroll so that ``row`` is on screen; without a size yet, remember to."""
        if self.size.height:
            self._first = keep_visible(self._first, row, self.size.height, len(self._bars))

    def _draw(self) -> Grid:
        height = self.size.height
        if self._grid is None or self._grid.height != height:
            # A first paint or a resize: what mattered before has to be on screen still.
            marked = [index for index, bar in enumerate(self._bars) if bar.marked]
            if self.has_focus and self.cursor is not None:
                marked = [self.cursor]
            self._first = keep_visible(self._first, self._first, height, len(self._bars))
            if marked:
                self._first = keep_visible(self._first, marked[0], height, len(self._bars))
        self._first = max(0, min(self._first, len(self._bars) - height))
        cursor = self.cursor if self.has_focus else None
        size = (self.size.width, height)
        return draw_bars(size, self._bars, self.scale, self._first, cursor, self.ascii)

    def _update_cells(self) -> None:
        """Draw again, and be repainted if that looks different; the first paint draws anyway."""
        if self._grid is None or not self._is_current():
            return
        old, self._grid = self._grid, self._draw()
        if self._grid != old:
            self.refresh()

    def _is_current(self) -> bool:
        """Whether the drawn grid has the widget's size (it has not between resize and paint)."""
        grid = self._grid
        return grid is not None and (grid.width, grid.height) == tuple(self.size)

    def render_line(self, y: int) -> Strip:
        """One row of bars."""
        if self._grid is None or not self._is_current():
            self._grid = self._draw()
        if y >= self._grid.height:
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        return self._grid.strip(y, self._style)

    def _style(self, name: str) -> Style:
        if not name:
            return self.visual_style.rich_style  # cached, as rich_style is not
        return self.get_component_rich_style(f"hbars--{name}")

    def watch_ascii(self) -> None:
        """Draw with the other characters; the reactive repaints the whole widget."""
        self._grid = None

    def watch_cursor(self, cursor: int | None) -> None:
        """Keep the cursor on screen."""
        if cursor is not None:
            self._show(cursor)
        self._update_cells()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show the cursor, at first on a marked row, while the widget has the focus."""
        super().watch_has_focus(has_focus)
        if has_focus and self.cursor is None and self._bars:
            # Only among the rows on screen: a click that gives the focus must not scroll.
            shown = range(self._first, min(len(self._bars), self._first + self.size.height))
            marked = (index for index in shown if self._bars[index].marked)
            self.cursor = next(marked, self._first)
        self._update_cells()

    def action_move(self, rows: int) -> None:
        """Move the cursor by ``rows``, to the ends at most."""
        if self._bars:
            row = (self.cursor if self.cursor is not None else self._first) + rows
            self.cursor = min(max(row, 0), len(self._bars) - 1)

    def action_page(self, pages: int) -> None:
        """Move the cursor by so many screens of rows."""
        self.action_move(pages * max(1, self.size.height - 1))

    def action_move_to(self, index: int) -> None:
        """Move the cursor to a row, counted from the end if negative."""
        if self._bars:
            self.cursor = range(len(self._bars))[index]

    def action_select_bar(self) -> None:
        """Post the row under the cursor."""
        if self.cursor is not None:
            self.post_message(self.BarSelected(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row and post it."""
        offset = event.get_content_offset(self)
        if offset is not None and self._first + offset.y < len(self._bars):
            self.cursor = self._first + offset.y
            self.post_message(self.BarSelected(self, self.cursor))

    def _scroll_rows(self, rows: int) -> None:
        self._first = max(0, min(self._first + rows, len(self._bars) - self.size.height))
        self._update_cells()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll the rows, and nothing around the widget while there are more."""
        if len(self._bars) > self.size.height:
            event.stop()
            self._scroll_rows(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll the rows, and nothing around the widget while there are more."""
        if len(self._bars) > self.size.height:
            event.stop()
            self._scroll_rows(3)

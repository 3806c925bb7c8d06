"""A scrolling text view that repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip

from glov_tui.widgets.spans import Line, Span, SpanView

HANGING_INDENT = 2


class TextView(SpanView):
    """Shows lines of styled text, wrapped, scrolled by keys and mouse.

    ``follow`` keeps the end in view while new lines come, unless the reader has scrolled up.
    Text must be harmless already: it goes to the terminal as it is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("home", "scroll_home", "Top", show=False),
        Binding("end", "scroll_end", "End", show=False),
    ]

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._follow = follow
        self._lines: tuple[Line, ...] = ()
        self._wrapped: list[Line] = []

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines; rows that stay the same are not repainted."""
        self._lines = tuple(lines)
        self._rewrap()

    def _rewrap(self) -> None:
        at_end = self.max_scroll_y - self.scroll_offset.y <= 1
        width = self.scrollable_content_region.width
        before = self._wrapped
        self._wrapped = (
            [row for line in self._lines for row in self.rows(line, width)] if width else []
        )
        if len(before) != len(self._wrapped) or self.virtual_size.width != width:
            self.virtual_size = Size(width, len(self._wrapped))
        if self._follow and at_end:
            top = max(0, len(self._wrapped) - self.scrollable_content_region.height)
            if top != self.scroll_offset.y:
                self.scroll_to(y=top, animate=False, immediate=True, force=True)
        first = self.scroll_offset.y
        for y in range(self.scrollable_content_region.height):
            row = first + y
            old = before[row] if row < len(before) else None
            new = self._wrapped[row] if row < len(self._wrapped) else None
            if old != new:
                self.refresh(Region(0, y, width, 1))

    def rows(self, line: Line, width: int) -> list[Line]:
        """How a line is shown at a width; at least one row."""
        return wrap(line, width)

    def row_of(self, line: int) -> int:
        """The first row of a line, as they are wrapped now."""
        width = self.scrollable_content_region.width
        return sum(len(self.rows(before, width)) for before in self._lines[:line]) if width else 0

    def go_to_next(self, lines: Sequence[int]) -> None:
        """Scroll to the next of these lines below the first row in view, behind the last to the
        top.
        """
        now, end = self.scroll_offset.y, self.max_scroll_y
        rows = [min(self.row_of(line), end) for line in lines]
        self.scroll_to(y=next((row for row in rows if row > now), 0), animate=False, immediate=True)

    def on_resize(self) -> None:
        """Wrap at the new width."""
        self._rewrap()

    def render_line(self, y: int) -> Strip:
        """One row of the view."""
        row = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        line = self._wrapped[row] if row < len(self._wrapped) else ()
        return self.strip(line, width).apply_offsets(0, row)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text as it is shown."""
        text = "\n".join("".join(t for t, _ in row) for row in self._wrapped)
        return selection.extract(text), "\n"

    @property
    def plain(self) -> str:
        """The text without styles and wrapping."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)


def wrap(line: Line, width: int) -> list[Line]:
    """Break a line at spaces into rows of at most ``width`` cells; later rows are indented.

    A word that is wider than a row is broken. Every line gives at least one row.
    """
    rows: list[list[Span]] = [[]]
    used = 0
    indent = min(HANGING_INDENT, max(0, width - 2))
    for text, style in line:
        for word in _words(text):
            size = cell_len(word)
            if used + cell_len(word.rstrip()) > width and used > (indent if len(rows) > 1 else 0):
                rows.append([(" " * indent, "")] if indent else [])
                used = indent
                word = word.lstrip(" ")
                size = cell_len(word)
            while used + size > width:
                head, rest = _split(word, width - used)
                if not rest.strip():
                    word, size = head, cell_len(head)
                    break
                rows[-1].append((head, style))
                rows.append([(" " * indent, "")] if indent else [])
                used = indent
                word, size = rest, cell_len(rest)
            rows[-1].append((word, style))
            used += size
    return [_joined(row) for row in rows]


def _words(text: str) -> list[str]:
    """Words with the spaces after them; the first may be spaces only."""
    words: list[str] = []
    start = 0
    for i in range(1, len(text)):
        if text[i] != " " and text[i - 1] == " ":
            words.append(text[start:i])
            start = i
    if text:
        words.append(text[start:])
    return words


def _split(word: str, cells: int) -> tuple[str, str]:
    used = 0
    for i, character in enumerate(word):
        used += cell_len(character)
        if used > cells:
            cut = max(i, 1)
            return word[:cut], word[cut:]
    return word, ""


def _joined(row: list[Span]) -> Line:
    joined: list[Span] = []
    for text, style in row:
        if joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        else:
            joined.append((text, style))
    return tuple(joined)

"""A scrolling text view that repaints only the lines that changed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from engine.common.wording import counted
from glov_tui.widgets.finding import HERE, Hit, hits_in, with_hits
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
        self._at_end = True  # as the reader left it: a lower view moves the end away
        self._lines: tuple[Line, ...] = ()
        self._wrapped: list[Line] = []
        self._first_rows: list[int] = []  # of each line, and the row behind the last
        self._cached: dict[Line, list[Line]] = {}  # rows of lines as they are wrapped now
        self._cached_width = 0
        self._heading = ""
        self._wanted: str | None = None  # that is looked for; None: no search is open
        self._hits: list[Hit] = []
        self._hit = 0  # the number of the one that is looked at
        self._around = ""  # how the one was come to, where that was past an end
        self._looked_from = 0  # the row at the top when the search began
        self._foot: Widget | None = None
        self._foot_text = ""

    @property
    def heading(self) -> str:
        """The title, without the number of what is found."""
        return self._heading

    @heading.setter
    def heading(self, title: str) -> None:
        self._heading = title
        self._show_title()

    def _show_title(self) -> None:
        title = self._heading
        if self._wanted:
            at = f"{self._hit + 1}/{len(self._hits)}" if self._hits else "not found"
            at += self._around
            title = f"{title}  {at}"
        if title != self.border_title:
            self.border_title = title

    def say_what_is_below(self, box: Widget, text: str = "") -> None:
        """From now on the lower border of ``box`` says how many rows are out of view below.

        ``text`` stands there too.
        """
        self._foot, self._foot_text = box, text
        self._show_foot()

    def _show_foot(self) -> None:
        if self._foot is None:
            return
        more = max(0, round(self.max_scroll_y - self.scroll_offset.y)) if self.size.height else 0
        said = [f"{counted(more, 'more row')}"] if more else []
        foot = "   ".join([*said, self._foot_text] if self._foot_text else said)
        if foot != self._foot.border_subtitle:
            self._foot.border_subtitle = foot

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are out of view."""
        super().watch_scroll_y(old_value, new_value)
        self._at_end = self.max_scroll_y - new_value <= 1
        self._show_foot()

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines; rows that stay the same are not repainted."""
        self._lines = tuple(lines)
        if self._wanted:
            here = self._hits[self._hit] if self._hits else None
            self._hits = hits_in(self._lines, self._wanted)
            self._hit = self._hits.index(here) if here in self._hits else 0
            self._show_title()
        self._rewrap()

    # -- looking for a text ------------------------------------------------------------------

    @property
    def is_searched(self) -> bool:
        """Whether a search is open: then nothing scrolls by itself."""
        return self._wanted is not None

    @property
    def hits(self) -> Sequence[Hit]:
        """Where the text is that is looked for, from the top."""
        return self._hits

    def find(self, wanted: str) -> None:
        """Mark ``wanted`` everywhere, and show the first place from where the search began."""
        if self._wanted is None:
            self._looked_from = self.scroll_offset.y
            self._heading = self._heading or self.border_title or ""
        self._wanted, self._around = wanted, ""
        self._hits = hits_in(self._lines, wanted)
        first_line = max(0, bisect_right(self._first_rows, self._looked_from) - 1)
        at = bisect_left([hit.line for hit in self._hits], first_line)
        self._hit = at if at < len(self._hits) else 0
        self._show_hit()

    def find_next(self, by: int) -> None:
        """Show the next place, or the one before; behind the last is the first."""
        if self._hits:
            to = self._hit + by
            self._hit = to % len(self._hits)
            came = ", from the top" if to > 0 else ", from the end"
            self._around = came if to != self._hit else ""
            self._show_hit()

    def end_find(self, back: bool = False) -> None:
        """Mark nothing any more; ``back`` shows again what was shown when the search began."""
        if self._wanted is None:
            return
        self._wanted, self._hits, self._hit, self._around = None, [], 0, ""
        self._show_title()
        self._rewrap()
        if back:
            self._scroll_to_row(self._looked_from)

    def _show_hit(self) -> None:
        self._show_title()
        self._rewrap()
        if not self._hits:
            self._scroll_to_row(self._looked_from)
            return
        line = self._hits[self._hit].line
        self._hit_shown(line)
        self._scroll_to_hit(line)

    def _scroll_to_hit(self, line: int) -> None:
        if line + 1 >= len(self._first_rows):  # nothing is laid out where there is no room
            return
        rows = range(self._first_rows[line], self._first_rows[line + 1])
        row = next((y for y in rows if any(s == HERE for _, s in self._wrapped[y])), rows.start)
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if not top <= row < top + height:
            self._scroll_to_row(row - height // 3)

    def _hit_shown(self, line: int) -> None:
        """The line with the place that is looked at is known."""

    def _scroll_to_row(self, row: int) -> None:
        row = max(0, min(row, self.max_scroll_y))
        if row != self.scroll_offset.y:
            self.scroll_to(y=row, animate=False, immediate=True, force=True)
            self.refresh()

    # -- drawing -----------------------------------------------------------------------------

    def _marked_lines(self) -> list[Line]:
        """The lines with what is found in them marked."""
        if not self._hits:
            return list(self._lines)
        by_line: dict[int, list[Hit]] = {}
        for hit in self._hits:
            by_line.setdefault(hit.line, []).append(hit)
        here = self._hits[self._hit]
        return [
            with_hits(line, by_line[i], here) if i in by_line else line
            for i, line in enumerate(self._lines)
        ]

    def _wrap_all(self, width: int) -> None:
        """Wrap the lines that were not wrapped so before."""
        before = self._cached if width == self._cached_width else {}
        self._cached, self._cached_width = {}, width
        self._wrapped, self._first_rows = [], [0]
        for line in self._marked_lines() if width else ():
            rows = self._cached.get(line) or before.get(line) or self.rows(line, width)
            self._cached[line] = rows
            self._wrapped += rows
            self._first_rows.append(len(self._wrapped))

    def _rewrap(self) -> None:
        width = self.scrollable_content_region.width
        before, width_before = self._wrapped, self._cached_width
        self._wrap_all(width)
        if len(before) != len(self._wrapped) or self.virtual_size.width != width:
            self.virtual_size = Size(width, len(self._wrapped))
        if self.is_searched:
            self._at_end = self.max_scroll_y - self.scroll_offset.y <= 1
        elif self._follow and self._at_end:
            top = max(0, len(self._wrapped) - self.scrollable_content_region.height)
            if top != self.scroll_offset.y:
                self.scroll_to(y=top, animate=False, immediate=True, force=True)
        if self._hits and width != width_before:  # what is looked at stays in view
            self._scroll_to_hit(self._hits[self._hit].line)
        first = self.scroll_offset.y
        for y in range(self.scrollable_content_region.height):
            row = first + y
            old = before[row] if row < len(before) else None
            new = self._wrapped[row] if row < len(self._wrapped) else None
            if old != new:
                self.refresh(Region(0, y, width, 1))
        self._show_foot()

    def wrap_anew(self) -> None:
        """Wrap every line: ``rows`` makes others of them now."""
        self._cached = {}
        self._rewrap()
        if self._hits:
            self._scroll_to_hit(self._hits[self._hit].line)

    def rows(self, line: Line, width: int) -> list[Line]:
        """How a line is shown at a width; at least one row."""
        return wrap(line, width)

    def row_of(self, line: int) -> int:
        """The first row of a line, as they are wrapped now."""
        return self._first_rows[line] if line < len(self._first_rows) else 0

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

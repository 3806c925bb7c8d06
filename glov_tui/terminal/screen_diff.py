"""Only what changes goes over the line: frames reduced to the cells that differ.

Textual repaints whole widgets, with colours in full before every piece of text; a change of pane
at 80x24 is 20 to 45 KiB. This keeps a copy of what the terminal shows and lets through the cells
that differ, with the shortest moves and colour changes in between. Pure: text in, text out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache

from rich.cells import cell_len

_TOKEN = re.compile(
    r"\x1b\[(?P<y>\d+);(?P<x>\d+)H|\x1b\[(?P<sgr>[0-9;]*)m|(?P<line>\r?\n)"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)|(?P<other>.)",
    re.DOTALL,
)
_FRAME = re.compile(r"\x1b\[\d+;\d+H")
# Writes that change no cell: modes and queries, the keyboard protocol, bell, OSC, cancel.
_CELLS_UNTOUCHED = re.compile(
    r"(?:\x1b\[[?<>=][0-9;]*\$?[a-zA-Z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x07\x18])*\Z"
)
JOIN_CELLS = 4
"""Unchanged cells between two changed ones that are cheaper to write again than to skip."""

# A character; or a text that is wider or narrower than its characters, and the index in it.
Cell = str | tuple[str, int] | None


@lru_cache(4096)
def _cells(text: str) -> list[Cell]:
    """One entry a cell. Texts with wide or combining characters are kept in one piece."""
    width = cell_len(text)
    if width == len(text) and all(cell_len(character) == 1 for character in text):
        return list(text)
    return [(text, i) for i in range(width)]


@lru_cache(4096)
def _colours(style: str) -> tuple[frozenset[str], str, str]:
    """Attributes, foreground and background of SGR parameters; empty where default."""
    attributes: set[str] = set()
    foreground = background = ""
    codes = iter(style.split(";"))
    for code in codes:
        number = int(code or 0)
        if number in (38, 48):
            kind = next(codes, "")
            rest = [next(codes, "") for _ in range(3 if kind == "2" else 1)]
            code = ";".join((code, kind, *rest))
        if number == 0:
            attributes.clear()
            foreground = background = ""
        elif 30 <= number <= 38 or 90 <= number <= 97:
            foreground = code
        elif 40 <= number <= 48 or 100 <= number <= 107:
            background = code
        elif number == 39:
            foreground = ""
        elif number == 49:
            background = ""
        else:
            attributes.add(code)
    return frozenset(attributes), foreground, background


@lru_cache(4096)
def _blank(style: str) -> str:
    """What of a style is seen on a space."""
    attributes, _, background = _colours(style)
    if attributes - {"1", "2", "3"}:  # underlined, reversed and the like
        return style
    return background


@lru_cache(8192)
def _change(old: str, new: str) -> str:
    """The sequence that changes the terminal's style from ``old`` to ``new``."""
    if old == new:
        return ""
    old_attributes, old_foreground, old_background = _colours(old)
    attributes, foreground, background = _colours(new)
    if (
        old_attributes - attributes
        or (old_foreground and not foreground)
        or (old_background and not background)
    ):
        return f"\x1b[0;{new}m" if new else "\x1b[0m"
    parts = sorted(attributes - old_attributes)
    if foreground != old_foreground:
        parts.append(foreground)
    if background != old_background:
        parts.append(background)
    return f"\x1b[{';'.join(parts)}m" if parts else ""


class ScreenDiff:
    """What a terminal shows, told from what was written to it.

    Everything that is written has to pass ``reduce``, and what it returns has to be written, in
    order. The terminal must not wrap lines.
    """

    def __init__(self) -> None:
        self._columns = self._rows = 0
        self._texts: list[list[Cell]] = []
        self._styles: list[list[str]] = []
        self._cursor: tuple[int, int] | None = None  # line and column, where known

    def invalidate(self) -> None:
        """Forget everything: the terminal may show anything."""
        self._texts = [[None] * self._columns for _ in range(self._rows)]
        self._styles = [[""] * self._columns for _ in range(self._rows)]
        self._cursor = None

    def reduce(self, data: str, columns: int, rows: int) -> str:
        """What is left to write of ``data`` on a terminal of this size.

        What is no frame is returned as it is. A frame that is not understood is too, and
        forgets everything.
        """
        if (columns, rows) != (self._columns, self._rows):
            self._columns, self._rows = columns, rows
            self.invalidate()
        if not _FRAME.match(data):
            if not _CELLS_UNTOUCHED.match(data):
                self.invalidate()
            return data
        reduced = _Frame(self._texts, self._styles, columns, self._cursor).reduce(data)
        if reduced is None:
            self.invalidate()
            return data
        result, self._cursor = reduced
        return result


class _Frame:
    """One frame on its way to the terminal."""

    def __init__(
        self,
        texts: list[list[Cell]],
        styles: list[list[str]],
        columns: int,
        cursor: tuple[int, int] | None,
    ) -> None:
        self._texts, self._styles, self._columns = texts, styles, columns
        self._cursor = cursor
        self._pen = ""
        self._out: list[str] = []

    def reduce(self, data: str) -> tuple[str, tuple[int, int] | None] | None:
        """What is to be written and where the cursor is then; None if not understood."""
        y = x = 0
        style = ""
        for token in _TOKEN.finditer(data):
            kind = token.lastgroup
            if kind == "text":
                text = token.group()
                cells = _cells(text)
                if y >= len(self._texts) or x + len(cells) > self._columns:
                    return None
                self._put(y, x, text, cells, style)
                x += len(cells)
            elif kind == "sgr":
                given = token.group("sgr")
                if given in ("", "0"):
                    style = ""
                else:
                    style = sys.intern(f"{style};{given}" if style else given)
            elif kind == "x":
                y, x = int(token.group("y")) - 1, int(token.group("x")) - 1
            elif kind == "line":
                y, x = y + 1, 0
            else:
                return None
        if self._pen:
            self._out.append("\x1b[0m")
        x = min(x, self._columns - 1)
        self._move(y, x)
        return "".join(self._out), (y, x)

    def _put(self, y: int, x: int, text: str, cells: Sequence[Cell], style: str) -> None:
        """Show a piece of text; writes what of it is not there yet."""
        end = x + len(cells)
        whole = isinstance(cells[0], tuple) if cells else True
        blank = _blank(style)
        if whole or " " not in text or blank == style:
            styles = [style] * len(cells)
        else:
            styles = [blank if cell == " " else style for cell in cells]
        shown, shown_styles = self._texts[y], self._styles[y]
        old, old_styles = shown[x:end], shown_styles[x:end]
        if old == cells and old_styles == styles:
            return
        self._break(shown, x, end)
        shown[x:end], shown_styles[x:end] = cells, styles
        if whole:
            self._move(y, x)
            self._draw(text, style)
            self._cursor = None  # terminals disagree on the width of such texts
            return
        first = last = -1
        for i, cell in enumerate(cells):
            if cell == old[i] and styles[i] == old_styles[i]:
                continue
            if first >= 0 and i - last > JOIN_CELLS:
                self._write(y, x + first, text[first : last + 1], style)
                first = i
            elif first < 0:
                first = i
            last = i
        self._write(y, x + first, text[first : last + 1], style)

    def _break(self, shown: list[Cell], start: int, end: int) -> None:
        """What is left of a text that is overwritten in part may look like anything."""
        if start > 0 and isinstance(cell := shown[start], tuple) and cell[1] > 0:
            i = start - 1
            while i >= 0 and isinstance(shown[i], tuple):
                shown[i] = None
                i -= 1
        i = end
        while i < len(shown) and isinstance(cell := shown[i], tuple) and cell[1] > 0:
            shown[i] = None
            i += 1

    def _write(self, y: int, x: int, text: str, style: str) -> None:
        self._move(y, x)
        if text.isspace() and _blank(style) == _blank(self._pen):
            style = self._pen  # looks the same
        self._draw(text, style)
        x += len(text)
        # In the last column the cursor waits for what comes next.
        self._cursor = (y, x) if x < self._columns else None

    def _draw(self, text: str, style: str) -> None:
        self._out += (_change(self._pen, style), text)
        self._pen = style

    def _move(self, y: int, x: int) -> None:
        if self._cursor == (y, x):
            return
        if self._cursor is not None and self._cursor[0] == y and self._cursor[1] < x:
            self._out.append(f"\x1b[{x - self._cursor[1]}C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H")
        self._cursor = (y, x)

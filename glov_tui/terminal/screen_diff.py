"""Only what changes goes over the line: frames reduced to the cells that differ.

Textual repaints whole widgets, with colours in full before every piece of text; a change of pane
at 80x24 is 20 to 45 KiB. This keeps a copy of what the terminal shows and lets through the cells
that differ, with the shortest moves and colour changes in between. Pure: text in, text out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

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


_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27"}
"""What turns one attribute off; 22 ends bold and dim."""


@lru_cache(8192)
def _change(old: str | None, new: str) -> str:
    """The shortest sequence that changes the terminal's style; ``old`` is None where unknown."""
    if old == new:
        return ""
    whole = f"\x1b[0;{new}m" if new else "\x1b[0m"
    if old is None:
        return whole
    old_attributes, old_foreground, old_background = _colours(old)
    attributes, foreground, background = _colours(new)
    gone = old_attributes - attributes
    if not gone <= _OFF.keys():
        return whole
    parts = sorted({_OFF[attribute] for attribute in gone})
    kept = old_attributes & attributes - ({"1", "2"} if "22" in parts else set())
    parts += sorted(attributes - kept)
    if foreground != old_foreground:
        parts.append(foreground or "39")
    if background != old_background:
        parts.append(background or "49")
    if not parts:
        return ""
    return min(f"\x1b[{';'.join(parts)}m", whole, key=len)


class ScreenDiff:
    """What a terminal shows, told from what was written to it.

    Everything that is written has to pass ``reduce``, and what it returns has to be written, in
    order. The terminal must not wrap lines. Its colours are left as the last frame had them.
    """

    def __init__(self) -> None:
        self._columns = self._rows = 0
        self._texts: list[list[Cell]] = []
        self._styles: list[list[str]] = []
        self._cursor: tuple[int, int] | None = None  # line and column, where known
        self._pen: str | None = None  # the style that is written in, where known

    def invalidate(self) -> None:
        """Forget everything: the terminal may show anything."""
        self._texts = [[None] * self._columns for _ in range(self._rows)]
        self._styles = [[""] * self._columns for _ in range(self._rows)]
        self._cursor = self._pen = None

    def reduce(self, data: str, columns: int, rows: int) -> str:
        """What is left to write of ``data`` on a terminal of this size.

        What is no frame is returned as it is. A frame that is not understood is too, and
        forgets everything.
        """
        if (columns, rows) != (self._columns, self._rows):
            self._columns, self._rows = columns, rows
            self.invalidate()
        if not _FRAME.match(data):
            return data if _CELLS_UNTOUCHED.match(data) else self._passed(data)
        frame = _Frame(self._texts, self._styles, columns)
        cursor = frame.read(data)
        if cursor is None:
            return self._passed(data)
        output = _Output(self._cursor, self._pen)
        for run in frame.changes(self._pen):
            output.write(run)
        output.move(*cursor)
        self._cursor, self._pen = cursor, output.pen
        return "".join(output.parts)

    def _passed(self, data: str) -> str:
        """What is written as it is: it counts on the terminal's own colours."""
        reset = "\x1b[0m" if self._pen else ""
        self.invalidate()
        return reset + data


class _Run(NamedTuple):
    """Cells beside each other that are written in one style."""

    y: int
    x: int
    text: str
    style: str
    cells: int | None  # None: terminals disagree on the width


class _Frame:
    """One frame on its way to the terminal: put into what is shown, then compared with before."""

    def __init__(self, texts: list[list[Cell]], styles: list[list[str]], columns: int) -> None:
        self._texts, self._styles, self._columns = texts, styles, columns
        self._before: dict[int, tuple[list[Cell], list[str]]] = {}  # lines that were written to

    def read(self, data: str) -> tuple[int, int] | None:
        """Show what is written; returns where the cursor is then, None if not understood."""
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
        return y, min(x, self._columns - 1)

    def _put(self, y: int, x: int, text: str, cells: Sequence[Cell], style: str) -> None:
        end = x + len(cells)
        whole = isinstance(cells[0], tuple) if cells else True
        blank = _blank(style)
        if whole or " " not in text or blank == style:
            styles = [style] * len(cells)
        else:
            styles = [blank if cell == " " else style for cell in cells]
        shown, shown_styles = self._texts[y], self._styles[y]
        if shown[x:end] == cells and shown_styles[x:end] == styles:
            return
        if y not in self._before:
            self._before[y] = (shown.copy(), shown_styles.copy())
        self._break(shown, x, end)
        shown[x:end], shown_styles[x:end] = cells, styles

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

    def changes(self, pen: str | None) -> list[_Run]:
        """What differs from before, in an order that is cheap to write with the ``pen`` so far.

        Texts of doubtful width first, so that what stands behind them is right afterwards; then
        style by style, those with one background together: a move costs less than a colour.
        """
        runs = [run for y in sorted(self._before) for run in self._changes_of(y)]
        order = {} if pen is None else {pen: 0}
        for run in runs:
            order.setdefault(run.style, len(order))
        backgrounds: dict[str, int] = {}
        for style in order:
            backgrounds.setdefault(_colours(style)[2], len(backgrounds))
        place = {s: (backgrounds[_colours(s)[2]], n) for s, n in order.items()}
        return sorted(runs, key=lambda run: (run.cells is not None, place[run.style]))

    def _changes_of(self, y: int) -> Iterator[_Run]:
        cells, styles = self._texts[y], self._styles[y]
        old, old_styles = self._before[y]
        x, columns = 0, self._columns
        while x < columns:
            cell = cells[x]
            if cell is None or (cell == old[x] and styles[x] == old_styles[x]):
                x += 1
            elif isinstance(cell, tuple):
                text, index = cell
                yield _Run(y, x - index, text, styles[x], None)
                x += cell_len(text) - index
            else:
                last, end, style = x, x + 1, styles[x]
                while end < columns and end - last <= JOIN_CELLS + 1:
                    inner = cells[end]
                    if not isinstance(inner, str):
                        break
                    joined = _joined(style, styles[end], inner, cells[x : last + 1])
                    if joined is None:
                        break
                    if inner != old[end] or styles[end] != old_styles[end]:
                        last, style = end, joined
                    end += 1
                text = "".join(cast(list[str], cells[x : last + 1]))
                yield _Run(y, x, text, style, last + 1 - x)
                x = last + 1


def _joined(style: str, other: str, cell: str, before: list[Cell]) -> str | None:
    """The style in which a cell can be written with those before it; None if in none."""
    if style == other or (cell == " " and other == _blank(style)):
        return style
    if style == _blank(other) and all(c == " " for c in before):
        return other
    return None


class _Output:
    """What is written to the terminal, with the shortest moves and colour changes in between."""

    def __init__(self, cursor: tuple[int, int] | None, pen: str | None) -> None:
        self.pen, self.parts = pen, list[str]()
        self._cursor = cursor

    def write(self, run: _Run) -> None:
        self.move(run.y, run.x)
        style = run.style
        if run.text.isspace() and self.pen is not None and _blank(style) == _blank(self.pen):
            style = self.pen  # looks the same
        self.parts += (_change(self.pen, style), run.text)
        self.pen = style
        self._cursor = None if run.cells is None else (run.y, run.x + run.cells)

    def move(self, y: int, x: int) -> None:
        if self._cursor == (y, x):
            return
        line, column = self._cursor or (-1, -1)
        if line == y and column < x:
            self.parts.append(f"\x1b[{x - column}C")
        elif line == y - 1 and column == x and line >= 0:
            self.parts.append("\x1b[B")
        else:
            self.parts.append(f"\x1b[{y + 1};{x + 1}H")
        self._cursor = (y, x)

"""Horizontal bars drawn on a grid of cells; no widget here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from glov_tui.widgets.cells import Grid, text_width

_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class Bar:
    """One row: ``label``, a bar from 0 to ``value``, and ``note`` right of it.

    ``marked`` rows stand out. ``ghost`` is another value to compare with (the previous step's):
    a shade behind a shorter bar, a notch in a longer one. Values are 0 or more; NaN is shown as
    "nan", a negative value as an arrow to the left.
    """

    label: str
    value: float
    note: str = ""
    marked: bool = False
    ghost: float | None = None


def bar_cells(
    value: float, ghost: float | None, scale: float, width: int, ascii_only: bool = False
) -> list[tuple[str, str]]:
    """``width`` (character, style) cells of a bar on a scale from 0 to ``scale`` (positive).

    What is not zero shows at least a sliver, and zero shows as a dot at the foot of the bar.
    """
    cells = [(" ", "")] * width
    if width < 1:
        return cells
    if not math.isfinite(value):
        for x, character in enumerate(str(value)[:width]):
            cells[x] = (character, "ghost")
        return cells
    shade, notch = (".", "|") if ascii_only else ("░", "▓")
    full, rest = _length(value, scale, width)
    ghost_cells = 0
    if ghost is not None and math.isfinite(ghost):
        whole, part = _length(ghost, scale, width)
        ghost_cells = whole + (part >= 4)
    for x in range(full, ghost_cells):
        cells[x] = (shade, "ghost")
    for x in range(full):
        cells[x] = ("#" if ascii_only else "█", "bar")
    if rest and full < width:
        if not ascii_only:
            cells[full] = (_EIGHTHS[rest], "bar")
        elif rest >= 4 or not full:
            cells[full] = ("#" if rest >= 4 else ":", "bar")
    if 0 < ghost_cells < full:
        cells[ghost_cells] = (notch, "notch")
    if value < 0:
        cells[0] = ("<" if ascii_only else "◂", "bar")
    elif value == 0:
        cells[0] = ("." if ascii_only else "·", "bar")
    return cells


def _length(value: float, scale: float, width: int) -> tuple[int, int]:
    """A bar's whole cells and the eighths after them; values above the scale fill the width."""
    if value <= 0 or not scale > 0:
        return 0, 0
    share = min(1.0, value / scale)
    return divmod(max(1, round(share * width * 8)), 8)


def draw_bars(
    size: tuple[int, int],
    bars: Sequence[Bar],
    scale: float,
    first: int = 0,
    cursor: int | None = None,
    ascii_only: bool = False,
) -> Grid:
    """Draw ``bars`` from row ``first`` on a grid of ``size`` (columns, rows).

    Columns: cursor, mark, label, bar, note, and a scroll bar when not all rows fit. Labels and
    notes are as wide as the widest of all rows, so that scrolling does not move the bars; where
    the width is short the notes go first, then labels are cut.
    """
    width, height = size
    grid = Grid(width, height, ascii_only)
    scrolls = len(bars) > height
    right = width - 2 if scrolls and width >= 12 else width
    label_width = max((text_width(bar.label) for bar in bars), default=0)
    note_width = max((text_width(bar.note) for bar in bars), default=0)
    label_width = min(label_width, max(0, right // 2 - 2))
    left = min(right, 2 + label_width + 1)
    bar_width = right - left - (note_width + 1 if note_width else 0)
    if bar_width < 4:
        bar_width, note_width = max(0, right - left), 0
    pointer, mark = (">", "*") if ascii_only else ("›", "◆")
    for y, (index, bar) in enumerate(list(enumerate(bars))[first : first + height]):
        suffix = "-marked" if bar.marked else ""
        if index == cursor:
            grid.text(0, y, pointer, "cursor", right)
        if bar.marked:
            grid.text(1, y, mark, "mark", right)
        shift = max(0, label_width - text_width(bar.label))
        style = "cursor" if index == cursor else "label" + suffix
        grid.text(2 + shift, y, bar.label, style, min(right, 2 + label_width))
        cells = bar_cells(bar.value, bar.ghost, scale, bar_width, ascii_only)
        for x, (character, style) in enumerate(cells):
            grid.put(left + x, y, character, style + suffix if style == "bar" else style)
        if note_width:
            shift = note_width - text_width(bar.note)
            grid.text(left + bar_width + 1 + shift, y, bar.note, "note" + suffix, right)
    if scrolls and right < width:
        _scroll_bar(grid, len(bars), first)
    return grid


def _scroll_bar(grid: Grid, count: int, first: int) -> None:
    """The rows shown, as a thick part of a thin line at the right edge."""
    plain, thumb = ("|", "#") if grid.ascii_only else ("│", "┃")
    length = max(1, round(grid.height * grid.height / count))
    room, hidden = grid.height - length, count - grid.height
    start = round(first / hidden * room)
    for y in range(grid.height):
        inside = start <= y < start + length
        grid.put(grid.width - 1, y, thumb if inside else plain, "scroll")


def keep_visible(first: int, row: int, height: int, count: int) -> int:
    """The first row to show so that ``row`` is on screen, as near to ``first`` as possible."""
    first = max(first, row - height + 1)
    first = min(first, row)
    return max(0, min(first, count - height))

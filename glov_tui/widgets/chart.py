"""A line chart drawn on a grid of cells: legend, y axis, plot, x axis with marks; no widget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from textual.geometry import Region

from glov_tui.widgets.braille import BLANK, PATTERNS, Dots, Frame, Pixel, dots, trace
from glov_tui.widgets.cells import Grid, text_width
from glov_tui.widgets.legend import Look, Options, Series, current, legend, looks
from glov_tui.widgets.ticks import NumberFormat, nice_step, ticks


@dataclass(frozen=True)
class Mark:
    """Something that happened at ``x``, shown on the x axis by a label of at most three cells."""

    x: float
    label: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawn chart: its cells, and the map from x to pixel columns of the plot.

    The plot's first column is ``left``, its pixels per cell ``cell`` (columns, rows).
    """

    grid: Grid
    frame: Frame
    left: int
    cell: tuple[int, int]


def draw_chart(
    size: tuple[int, int],
    series: Sequence[Series],
    marks: Sequence[Mark] = (),
    x_range: tuple[float, float] = (0, 1),
    y_range: tuple[float, float] = (0, 1),
    options: Options | None = None,
    cursor: float | None = None,
) -> Chart:
    """Draw a chart of ``size`` (columns, rows); any size works, small ones leave parts out.

    ``cursor`` is an x whose values the legend shows instead of the last ones.
    """
    options = options or Options()
    width, height = size
    grid = Grid(width, height, options.ascii)
    names = looks(series, options.ascii)
    most = 1 if height < 8 else 2 if height < 14 else 3
    if height == 7 and sum(one.kind == "points" for one in series) > 1:
        most = 2  # lines have words at their ends, but points are named only in the legend
    lines = legend(
        series, names, options, width, most if series and options.legend else 0, y_range, cursor
    )
    for y, line in enumerate(lines):
        x = 0
        for text, style in line:
            x = grid.text(x, y, text, style)
    top = len(lines)
    has_axis, has_labels = height - top >= 3, height - top >= 5
    rows = max(0, height - top - has_axis - has_labels)

    low, high = y_range
    step = nice_step(high - low, 4) if high > low else 1.0
    labels: list[tuple[float, str]] = []
    if rows >= 4:
        values, step = ticks(low, high, min(8, rows // 2))
        labels = [(value, options.y_format.tick(value, step)) for value in values]
    elif rows:
        ends = (low, high) if rows > 1 else (high,)
        labels = [(value, options.y_format.tick(value, step)) for value in ends]
    shows_data = any(math.isfinite(current(one)) for one in series)
    gutter = max((text_width(text) for _, text in labels), default=0)
    has_line = width >= 8 and height >= 3
    if gutter * 3 > width or not has_line or not shows_data:
        labels, gutter = [], 0
    left = gutter + has_line
    columns = max(1, width - left)
    # The words at the ends of lines have columns of their own at the right.
    inner = columns - _word_columns(series, columns)
    cell = (1, 1) if options.ascii else (2, 4)
    frame = Frame(x_range, y_range, inner * cell[0], max(1, rows) * cell[1])
    chart = Chart(grid, frame, left, cell)
    if rows and width > 0:
        _plot(chart, series, names, (columns, rows), top, cursor)
        _y_axis(chart, labels, rows, top)
        if not shows_data:
            x = left + max(0, (columns - text_width(options.empty)) // 2)
            grid.text(x, top + (rows - 1) // 2, options.empty, "empty")
    if has_axis:
        _x_axis(chart, marks, options, top + rows, top + rows + 1 if has_labels else None)
    return chart


def _word_columns(series: Sequence[Series], columns: int) -> int:
    longest = max((text_width(one.word) for one in series), default=0)
    return longest + 1 if 0 < 4 * longest <= columns else 0


def _plot(
    chart: Chart,
    series: Sequence[Series],
    names: Sequence[Look],
    size: tuple[int, int],
    top: int,
    cursor: float | None,
) -> None:
    """Lines, error bars, points, cursor and words, the first series above the others."""
    grid, frame, left = chart.grid, chart.frame, chart.left
    (cell_x, cell_y), (columns, rows) = chart.cell, size
    canvas = Dots(columns, rows)
    drawn = list(zip(series, names, strict=True))
    if not grid.ascii_only:
        grid.fill(Region(left, top, columns, rows), BLANK)
    at = frame.column(cursor) if cursor is not None else None
    if at is not None:
        for y in range(rows):
            grid.put(left + at // cell_x, top + y, ":" if grid.ascii_only else "┊", "cursor")
    glyphs: list[tuple[int, int, str, str]] = []
    ends: list[tuple[int, int, str, str]] = []
    words = _word_columns(series, columns) > 0
    for one, look in reversed(drawn):
        pixels = frame.pixels(one.points)
        end = next((pixel for pixel in reversed(pixels) if pixel is not None), None)
        if one.kind == "hline":
            last = current(one)
            row = frame.row(last)
            runs: list[tuple[int, int] | None] = [None] * frame.width
            if math.isfinite(last):
                runs = [(row, row)] * frame.width
                end = (frame.width - 1, row)
        elif one.kind == "points":
            runs = _error_bars(one, frame, pixels)
            glyphs += [
                (pixel[0] // cell_x, pixel[1] // cell_y, look.glyph, one.color)
                for pixel in pixels
                if pixel is not None
            ]
        else:
            runs = trace(pixels, frame, one.kind == "steps")
        solid = grid.ascii_only or one.kind == "points"
        lit = dots(runs, PATTERNS["solid"] if solid else look.pattern)
        if grid.ascii_only:
            character = "|" if one.kind == "points" else look.pattern.ascii
            for x, y in lit:
                grid.put(left + x, top + y, character, one.color)
        else:
            canvas.draw(lit, one.color)
        if end is not None and one.word and words:
            ends.append((end[0] // cell_x, end[1] // cell_y, one.word, one.color + "-key"))
    for x, y, character, style in canvas.cells():
        grid.put(left + x, top + y, character, style)
    for x, y, character, style in glyphs:
        grid.put(left + x, top + y, character, style)
    taken: set[tuple[int, int]] = set()
    for x, y, word, style in reversed(ends):
        # Beside the end of its line, or a row or two above or below, where others are not.
        for row in (y, y - 1, y + 1, y - 2, y + 2):
            start = min(x + 2, columns - text_width(word))
            cells = {(start + i, row) for i in range(text_width(word))}
            if 0 <= row < rows and not cells & taken:
                taken |= {(x + by, row) for x, _ in cells for by in (-1, 0, 1)}
                grid.text(left + start, top + row, word, style, left + columns)
                break


def _error_bars(
    series: Series, frame: Frame, pixels: Sequence[Pixel | None]
) -> list[tuple[int, int] | None]:
    """Per pixel column the first and last row of the interval of a point in it."""
    runs: list[tuple[int, int] | None] = [None] * frame.width
    for pixel, ends in zip(pixels, series.intervals, strict=False):
        if pixel is not None and all(map(math.isfinite, ends)):
            runs[pixel[0]] = (frame.row(max(ends)), frame.row(min(ends)))
    return runs


def _y_axis(chart: Chart, labels: Sequence[tuple[float, str]], rows: int, top: int) -> None:
    """The vertical line left of the plot, with a tick at each label."""
    grid = chart.grid
    if not chart.left:
        return
    plain, tick = ("|", "+") if grid.ascii_only else ("│", "┤")
    for y in range(rows):
        grid.put(chart.left - 1, top + y, plain, "axis")
    for value, text in labels:
        y = top + chart.frame.row(value) // chart.cell[1]
        grid.put(chart.left - 1, y, tick, "axis")
        grid.text(chart.left - 1 - text_width(text), y, text, "label")


def _x_axis(
    chart: Chart, marks: Sequence[Mark], options: Options, y: int, label_y: int | None
) -> None:
    """The line below the plot with ticks and marks, and the tick labels where there is a row."""
    grid, frame, left = chart.grid, chart.frame, chart.left
    line, tick, corner, mark_glyph = "-++^" if grid.ascii_only else "─┬└▲"
    for x in range(left, grid.width):
        grid.put(x, y, line, "axis")
    if left:
        grid.put(left - 1, y, corner, "axis")
    ends = frame.x_range
    whole = all(end == round(end) for end in ends if math.isfinite(end))
    cells = frame.width // chart.cell[0]
    label_width = max(len(NumberFormat().tick(end, 1)) for end in ends) + 3
    positions, step = ticks(*ends, max(1, cells // label_width), whole)
    free = left
    if label_y is not None and text_width(options.x_name) < left:
        grid.text(left - 1 - text_width(options.x_name), label_y, options.x_name, "label")
    for value in positions:
        column = frame.column(min(max(value, ends[0]), ends[1]))
        if column is None:
            continue
        x = left + column // chart.cell[0]
        grid.put(x, y, tick, "axis")
        text = NumberFormat().tick(value, step)
        start = min(max(left, x - len(text) // 2), grid.width - len(text))
        if label_y is not None and start >= free:
            free = grid.text(start, label_y, text, "label") + 1
    labels: dict[int, str] = {}
    for mark in marks:
        column = frame.column(mark.x)
        if column is not None:
            x = left + column // chart.cell[0]
            label = mark.label or mark_glyph
            # Several in one cell: their number would read as a label, so a star.
            labels[x] = label if labels.get(x, label) == label else "*"
    for x, label in sorted(labels.items()):
        following = min((other for other in labels if other > x), default=grid.width)
        grid.text(x, y, label, "mark", min(following, x + 3))

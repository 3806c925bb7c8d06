"""Pictures among text: half blocks in two colours a cell, drawn by textual-image.

Half blocks are ordinary cells: they scroll, go through tmux and over any line, and the terminal's
own copy of the screen knows them, so that they are sent once. A sixel is no cell: it would be sent
anew with each row that is scrolled.
"""

from __future__ import annotations

import importlib
import io
import sys
import threading
from typing import TYPE_CHECKING, Any

from glov_tui.widgets.spans import Line, Span

if TYPE_CHECKING:
    from engine.data.sources import ImageFile

if TYPE_CHECKING:
    from engine.data.sources import ImageFile

COLOURS = 16  # of a picture
_LOCK = threading.Lock()


def picture_rows(file: ImageFile, columns: int, rows: int) -> list[Line]:
    """An image in at most so many cells, its proportions kept; a line for each row.

    Takes some milliseconds and imports Pillow: not for the event loop's thread.

    Raises:
        engine.data.images.UnreadableImageError: if it can't be decoded; the text says why.
    """
    from PIL import Image
    from rich.console import Console

    from engine.data.images import read_image

    image = read_image(file)
    # A cell is about twice as high as it is wide, so a half block is about square.
    scale = min(columns / image.width, 2 * rows / image.height)
    width = min(columns, max(1, round(image.width * scale)))
    height = min(rows, max(1, round(image.height * scale / 2)))
    # Where neighbours have one colour it is written once: few colours are a third less.
    small = image.resize((width, 2 * height), Image.Resampling.BOX)
    few = small.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")
    console = Console(file=io.StringIO(), width=columns)
    drawn = _half_blocks()(few, width=width, height=height)
    lines: list[Line] = []
    cells: list[Span] = []
    for segment in drawn.__rich_console__(console, console.options):
        if segment.text == "\n":
            lines.append(tuple(cells))
            cells = []
        else:
            upper, lower = segment.style.color.triplet, segment.style.bgcolor.triplet
            cells.append((segment.text, f"{upper.hex} {lower.hex}"))
    return lines


def _half_blocks() -> Any:
    """textual-image's ``Image`` of half blocks.

    When it is imported, and once when it draws, its package asks the terminal what it can do and
    takes the answer from the keyboard, which is the app's. So it is imported as where there is no
    terminal, and told the size of a cell.
    """
    with _LOCK:
        if "textual_image.renderable" not in sys.modules:
            terminal, sys.__stdout__ = sys.__stdout__, None  # type: ignore[misc]
            try:
                importlib.import_module("textual_image.renderable")
            finally:
                sys.__stdout__ = terminal  # type: ignore[misc]
        from textual_image import _terminal
        from textual_image.renderable.halfcell import Image

        known: Any = _terminal.get_cell_size
        if not hasattr(known, "_result"):
            known._result = _terminal.CellSize(10, 20)
        return Image

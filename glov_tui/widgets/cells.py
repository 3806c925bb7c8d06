"""A grid of styled terminal cells: drawn by plain functions, compared, and turned into strips.

The widgets of this package compute a whole grid per update (cheap) and are repainted where it
differs from the one on screen. What of it goes over the line is for ``terminal.screen_diff``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from glov_tui.common.text import clean

_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


def graphemes(text: str, ascii_only: bool = False) -> list[tuple[str, int]]:
    """``text``, made harmless, in pieces that are never split, each with its width in cells (1, 2).

    With ``ascii_only`` everything outside printable ASCII becomes ``?``.
    """
    pieces: list[tuple[str, int]] = []
    for character in clean(text):
        if ascii_only and not " " <= character <= "~":
            pieces.append(("?", 1))
            continue
        # Terminals disagree on the width of joined emoji; shown one by one they are all of a size.
        width = 0 if character in _JOINERS else get_character_cell_size(character)
        if width:
            pieces.append((character, width))
        elif pieces and character not in _JOINERS:
            pieces[-1] = (pieces[-1][0] + character, pieces[-1][1])
    return pieces


class Grid:
    """``height`` rows of ``width`` cells, each a character and the name of a style ("" is plain).

    The right half of a wide character is the empty string.
    """

    def __init__(self, width: int, height: int, ascii_only: bool = False) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        self.ascii_only = ascii_only
        self.characters = [[" "] * self.width for _ in range(self.height)]
        self.styles = [[""] * self.width for _ in range(self.height)]

    def __eq__(self, other: object) -> bool:
        """Whether another grid looks the same."""
        if not isinstance(other, Grid):
            return NotImplemented
        return self.characters == other.characters and self.styles == other.styles

    __hash__ = None  # type: ignore[assignment]  # its cells change

    def put(self, x: int, y: int, character: str, style: str = "") -> None:
        """Set one cell to a character that is one cell wide; outside the grid nothing happens."""
        if 0 <= x < self.width and 0 <= y < self.height:
            row = self.characters[y]
            # Half a wide character cannot stay: the row would be a cell too wide or too narrow.
            if not row[x]:
                row[x - 1] = " "
            if x + 1 < self.width and not row[x + 1]:
                row[x + 1] = " "
            row[x] = character
            self.styles[y][x] = style

    def text(self, x: int, y: int, text: str, style: str = "", end: int | None = None) -> int:
        """Write ``text`` from column ``x``, cut before column ``end``; returns the column after it.

        Left of column 0 nothing is shown, nor are rows outside the grid.
        """
        end = self.width if end is None else min(end, self.width)
        if not 0 <= y < self.height:
            return x
        for character, width in graphemes(text, self.ascii_only):
            if x + width > end:
                break
            if x >= 0:
                self.put(x, y, character, style)
                if width == 2:
                    self.put(x + 1, y, "", style)
            x += width
        return x

    def fill(self, region: Region, character: str) -> None:
        """Set all cells of a region inside the grid to a one-cell character without a style."""
        for y in range(region.y, region.bottom):
            self.characters[y][region.x : region.right] = [character] * region.width
            self.styles[y][region.x : region.right] = [""] * region.width

    def row_text(self, y: int) -> str:
        """Row ``y`` as text."""
        return "".join(self.characters[y])

    def __str__(self) -> str:
        return "\n".join(self.row_text(y) for y in range(self.height))

    def strip(self, y: int, style_of: Callable[[str], Style]) -> Strip:
        """Row ``y`` as a strip of exactly ``width`` cells; ``style_of`` resolves style names."""
        segments = []
        for style, cells in groupby(
            zip(self.characters[y], self.styles[y], strict=True), key=lambda cell: cell[1]
        ):
            segments.append(Segment("".join([cell[0] for cell in cells]), style_of(style)))
        return Strip(segments, self.width)


def text_width(text: str) -> int:
    """Cells that ``Grid.text`` needs for ``text``."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(width for _, width in graphemes(text))

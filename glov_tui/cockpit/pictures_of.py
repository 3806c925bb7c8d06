"""Pictures in a dialog: how large they are there, and what stands where one can't be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glov_tui.widgets.spans import Line

if TYPE_CHECKING:
    from engine.data.sources import ImageFile

BOX, SMALL_BOX, SLOW_BOX = (20, 10), (14, 7), (10, 5)  # columns and rows of a picture
TALL = 30  # rows of a dialog from which pictures are large


def picture_box(rows: int, slow_line: bool) -> tuple[int, int]:
    """Columns and rows of each picture in a dialog of so many rows."""
    return SLOW_BOX if slow_line else BOX if rows >= TALL else SMALL_BOX


def picture_of(file: ImageFile, box: tuple[int, int]) -> list[Line] | str:
    """An image in at most such a box, or why it can't be shown; not for the event loop's thread."""
    from engine.data.images import UnreadableImageError
    from glov_tui.widgets.pictures import picture_rows

    try:
        return picture_rows(file, *box)
    except UnreadableImageError as error:
        return str(error)

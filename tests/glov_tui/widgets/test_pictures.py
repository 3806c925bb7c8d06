"""Pictures as half blocks: ordinary cells, and nothing is asked of the terminal for them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from engine.data.images import UnreadableImageError
from glov_tui.widgets.pictures import picture_rows
from tests.support.patience import CEILING_SECONDS


def image(path: Path, size: tuple[int, int]) -> Path:
    """Red above, blue below."""
    made = Image.new("RGB", size, (255, 0, 0))
    made.paste((0, 0, 255), (0, size[1] // 2, *size))
    made.save(path)
    return path


def test_a_picture_is_half_blocks_in_its_colours(tmp_path: Path) -> None:
    rows = picture_rows(image(tmp_path / "a.png", (4, 4)), columns=4, rows=3)
    assert len(rows) == 2  # four half blocks high
    assert set(rows[0]) == {("▀", "#ff0000 #ff0000")} and set(rows[1]) == {("▀", "#0000ff #0000ff")}
    assert [len(row) for row in rows] == [4, 4]


@pytest.mark.parametrize(
    "size, shape",
    [((100, 10), (10, 1)), ((10, 1000), (1, 5)), ((1, 1), (10, 5)), ((9, 9), (10, 5))],
)
def test_a_picture_keeps_its_proportions_within_its_box(tmp_path: Path, size, shape) -> None:
    rows = picture_rows(image(tmp_path / "a.png", size), columns=10, rows=5)
    assert (len(rows[0]), len(rows)) == shape


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(UnreadableImageError, match="not an image"):
        picture_rows(tmp_path / "a.png", 4, 3)


ASKS_NOTHING = """
import pathlib, sys
from glov_tui.widgets.pictures import picture_rows
assert sys.__stdout__.isatty() and sys.__stdin__.isatty()
assert picture_rows(pathlib.Path(sys.argv[1]), 4, 3)
"""


def test_nothing_is_asked_of_the_terminal(tmp_path: Path) -> None:
    """Its answer would come among the keys, and without one a key would be lost."""
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-c", ASKS_NOTHING, str(image(tmp_path / "a.png", (8, 8)))]
        child = subprocess.run(
            command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=CEILING_SECONDS
        )
        assert child.returncode == 0, child.stderr
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 100)
    finally:
        os.close(ours)
        os.close(theirs)

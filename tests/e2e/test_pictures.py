"""Pictures of images in a real terminal: drawn, nothing asked of it, and sent once."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.command import glov
from tests.support.terminal import Terminal

QUERIES = re.compile(rb"\x1b\[c|\x1b\[1[4-8]t|\x1b_G")
"""What textual-image asks a terminal, whose answers would come as keys."""
COLOURS = {"COLORTERM": "truecolor", "NO_COLOR": None}


def test_pictures_are_drawn_and_the_keys_stay_the_apps(undisturbed: Path) -> None:
    command = glov("replay", str(undisturbed))
    with Terminal(command, columns=120, rows=40, env=COLOURS) as terminal:
        terminal.wait_for("replay", "templates")
        terminal.press("end")
        terminal.wait_for("step 3 of 3")
        terminal.press("enter")
        terminal.wait_for("wrong ones first", "▀▀▀▀", "train/")
        terminal.press("down", "down")  # the first rows are gone, as with any text
        terminal.wait_until(
            lambda: "few-shot accuracy" in terminal.text.splitlines()[5], "scrolled"
        )
        terminal.press("escape")
        terminal.wait_for("templates", "step 3 of 3")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert not QUERIES.search(terminal.raw)
        assert terminal.attributes == terminal.attributes_before

"""Looking around in a real terminal: with colours, without, in ASCII; theme and keys of a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glov_tui.cockpit.themes import DEFAULT, THEMES
from tests.support.command import glov
from tests.support.terminal import Terminal

PLAIN = {"LC_ALL": "C", "LANG": "C", "NO_COLOR": "1"}
GREY = re.compile(r"(..)\1\1|default")
SETTINGS = '[screen]\ntheme = "high-contrast-light"\n[keys]\nconfiguration = "K"\n'
OF_THE_FILE, OF_NOBODY = (
    {name: getattr(theme, name).lstrip("#") for name in ("background", "accent")}
    for wanted in ("high-contrast-light", DEFAULT)
    for theme in THEMES
    if theme.name == wanted
)


# Each size, each kind of terminal, and the largest and the smallest in colours and in ASCII.
@pytest.mark.parametrize(
    ("plain", "size"),
    [
        pytest.param({}, (120, 40), id="colour-120x40"),
        pytest.param({}, (60, 20), id="colour-60x20"),
        pytest.param({"NO_COLOR": "1"}, (80, 24), id="grey-80x24"),
        pytest.param(PLAIN, (120, 40), id="ascii-120x40"),
        pytest.param(PLAIN, (60, 20), id="ascii-60x20"),
    ],
)
def test_colours_find_steps_configuration_result_details(
    undisturbed: Path, tmp_path: Path, plain, size
) -> None:
    (tmp_path / "config.toml").write_text(SETTINGS)
    env = {**plain, "GLOV_CONFIG_DIR": str(tmp_path)}
    command = glov("replay", str(undisturbed), "--speed", "max")
    with Terminal(command, columns=size[0], rows=size[1], env=env) as terminal:
        terminal.wait_for("step 3 of 3", "holds")
        check_colours(terminal, plain)
        terminal.press("6", "/")
        terminal.wait_for("FIND")
        terminal.send("STEP")
        terminal.wait_for("not found")
        terminal.press("escape")
        terminal.wait_gone("FIND")
        find(terminal, "6", "log", "step ", 3)
        find(terminal, "4", "candidates: step 3", "photo", 10)
        find(terminal, "1", "meta-prompt: step 3", "templates of this run", 2)
        terminal.press("6", "/")
        terminal.send("step 2:\rg")
        terminal.wait_for("step 2 of 3")
        terminal.press("escape")
        terminal.wait_gone("FIND")
        terminal.press("K")
        terminal.wait_for("configuration:", "steps")
        terminal.press("escape")
        terminal.wait_gone("configuration:")
        terminal.press("end")
        terminal.wait_for("step 3 of 3")
        terminal.press("r")
        terminal.wait_for("few-shot", "test (95 %)", "ensemble")
        if plain is PLAIN:
            assert terminal.text.isascii()
        terminal.press("r")
        terminal.wait_gone("test (95 %)")
        look_at_details_beside_the_list(terminal, size[0])
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert terminal.attributes == terminal.attributes_before


def check_colours(terminal: Terminal, plain: dict[str, str]) -> None:
    """They are those of the theme in the person's file, and none where none are wanted."""
    foregrounds, backgrounds = terminal.colours
    assert OF_THE_FILE["background"] in backgrounds, "not the theme of the file"
    assert OF_NOBODY["background"] not in backgrounds, "not the theme of the file"
    if plain:
        coloured = [one for one in foregrounds | backgrounds if not GREY.fullmatch(one)]
        assert not coloured, "colours in spite of NO_COLOR"
    else:
        assert OF_THE_FILE["accent"] in foregrounds, "not the accent of the file's theme"


def find(terminal: Terminal, number: str, pane: str, text: str, places: int) -> None:
    """Look for a text in a pane; n goes to the next place of so many, N back to the one before."""

    def place() -> int:
        found = re.search(rf"{pane}  (\d+)/{places} ", terminal.text)
        return int(found[1]) if found else 0

    terminal.press(number, "/")
    terminal.wait_for("FIND")
    terminal.send(text)
    terminal.wait_for(f"FIND {text.rstrip()}")
    at = terminal.wait_until(place, f"{places} places in the {pane}")
    terminal.press("enter", "n")
    terminal.wait_until(lambda: place() == at % places + 1, f"n: the next place in the {pane}")
    terminal.press("N")
    terminal.wait_until(lambda: place() == at, f"N: the place before in the {pane}")
    terminal.press("escape")
    terminal.wait_gone("FIND")


def look_at_details_beside_the_list(terminal: Terminal, columns: int) -> None:
    """They stay open where there is room, and follow the cursor of the list."""
    terminal.press("2", "z", "D")
    if columns < 100:
        terminal.wait_for("Enter opens them here.")
        return
    terminal.wait_for("details (D closes)", "templates: 31", "rank 1 of 31", "hits by class")
    terminal.press("down")
    terminal.wait_for("details (D closes)", "templates: 31", "rank 2 of 31")
    terminal.press("D")
    terminal.wait_gone("details (D closes)")

"""Looking around in a real terminal: with colours, without, in ASCII; with keys of the own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import glov
from tests.support.terminal import Terminal
from tests.support.written_runs import write_run

PLAIN = {"LC_ALL": "C", "LANG": "C", "NO_COLOR": "1"}


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
def test_find_configuration_result(run_folder: Path, tmp_path: Path, plain, size) -> None:
    write_run(run_folder, curve=(40, 60, 50))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text('[keys]\nconfiguration = "K"\n')
    env = {**plain, "GLOV_CONFIG_DIR": str(tmp_path / "config")}
    command = glov("replay", str(run_folder), "--speed", "max")
    with Terminal(command, columns=size[0], rows=size[1], env=env) as terminal:
        terminal.wait_for("step 3 of 3", "holds")
        terminal.press("6", "/")
        terminal.wait_for("FIND")
        terminal.send("ACCURACY")
        terminal.wait_for("not found")
        terminal.send("\x7f" * 8 + "accuracy")
        terminal.wait_for("1/")
        terminal.press("enter", "n")
        terminal.wait_for("2/")
        terminal.press("escape")
        terminal.wait_gone("FIND")
        terminal.press("K")
        terminal.wait_for("configuration:", "steps")
        terminal.press("escape")
        terminal.wait_gone("configuration:")
        terminal.press("end")
        terminal.wait_for("finished")
        terminal.press("r")
        terminal.wait_for("few-shot", "test (95 %)", "ensemble")
        if plain is PLAIN:
            assert terminal.text.isascii()
        terminal.press("r")
        terminal.wait_gone("test (95 %)")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert terminal.attributes == terminal.attributes_before

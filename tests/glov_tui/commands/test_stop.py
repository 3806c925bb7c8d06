"""What ``glov stop`` says where there is nothing to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import UserError
from engine.remote.stopping import stop_engine
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from glov_tui.commands.stop import stop_run
from tests.support.written_runs import write_run


def test_what_is_finished_is_not_to_be_gone_on_with(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    open_sweep(sweep, make_grid("demo", ["steps=2"], [parse_axis("seed=0:1")]))
    run = write_run(sweep / "seed=0", "steps=2")
    for folder, stop in ((run, stop_engine), (sweep, lambda path: stop_run(str(path)))):
        with pytest.raises(UserError, match="is finished: there is nothing to stop") as said:
            stop(folder)
        assert "resume" not in str(said.value) and "goes on" not in str(said.value)


def test_what_is_left_can_be_gone_on_with(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    open_sweep(sweep, make_grid("demo", ["steps=2"], [parse_axis("seed=0:2")]))
    run = write_run(sweep / "seed=0", "steps=2", curve=(40,), finished=False)
    for folder in (run, sweep):
        with pytest.raises(UserError, match="goes on"):
            stop_run(str(folder))

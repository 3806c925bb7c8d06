"""The fleet: how the runs of a sweep are, from their folders alone."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from engine.storage.journal import Journal
from engine.storage.lock import OWNER
from engine.storage.run_folder import EVENTS
from engine.sweeps.driving import driving
from engine.sweeps.fleet import Fleet
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep
from tests.support.written_runs import write_run


def small_sweep(folder: Path, seeds: int = 5) -> Fleet:
    open_sweep(folder, make_grid("demo", ["steps=2"], [parse_axis(f"seed=0:{seeds}")]))
    return Fleet(folder)


def test_every_run_has_its_state_steps_and_best(tmp_path: Path) -> None:
    fleet = small_sweep(tmp_path)
    assert {row.status for row in fleet.look().rows} == {"new"}
    write_run(tmp_path / "seed=0", "steps=2", curve=(40, 60))
    write_run(tmp_path / "seed=1", "steps=2", curve=(50,), finished=False)
    (tmp_path / "seed=2").mkdir()
    (tmp_path / "seed=2" / EVENTS).write_text("{}\n")
    with driving(tmp_path, lambda name: None):
        journal = Journal(tmp_path / "seed=1")  # this process drives it
        seen = fleet.look()
        assert [row.status for row in seen.rows] == [
            "finished",
            "running",
            "damaged",
            "waiting",
            "waiting",
        ]
        finished, running, damaged, *_ = seen.rows
        assert (finished.done, finished.steps, finished.best) == (2, 2, 60 / 80)
        assert finished.test is not None and finished.state is None
        assert (running.done, running.best) == (1, 50 / 80) and running.is_here
        assert running.state is not None and running.owner is not None
        assert running.owner.pid == os.getpid()
        assert "line 1 of 1 is damaged" in (damaged.problem or "")
        assert seen.best is finished and seen.count("waiting") == 2
        assert seen.steps_left == 1 + 2 + 2
        journal.abandon()
        assert fleet.look().rows[1].status == "interrupted"
    assert fleet.look().driver is None


def test_a_run_on_another_host_is_followed(tmp_path: Path) -> None:
    fleet = small_sweep(tmp_path, 1)
    folder = write_run(tmp_path / "seed=0", "steps=2", curve=(40,), finished=False)
    (folder / OWNER).write_text(json.dumps({"pid": 7, "host": f"not-{socket.gethostname()}"}))
    (row,) = fleet.look().rows
    assert row.status == "running" and not row.is_here and row.done == 1
    write_run(tmp_path / "whole", "steps=2", curve=(40, 60))
    (tmp_path / "whole" / EVENTS).replace(folder / EVENTS)
    assert fleet.look().rows[0].done == 2
    (folder / OWNER).unlink()
    (row,) = fleet.look().rows
    assert row.status == "finished" and row.state is None

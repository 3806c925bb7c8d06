"""Reading a long journal: nothing of it is garbage, so nobody looks for any meanwhile."""

from __future__ import annotations

import gc
from pathlib import Path

from engine.storage.journal import read_state
from tests.support.written_runs import write_run


def test_no_garbage_is_looked_for_while_a_journal_is_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", curve=[40] * 100)
    read_state(folder)  # what is built at first use is there
    collections: list[str] = []
    before = gc.get_threshold()
    assert gc.isenabled()

    def heard(phase: str, info: dict[str, int]) -> None:
        collections.append(phase)

    gc.set_threshold(50)  # objects
    gc.callbacks.append(heard)
    try:
        gc.collect()
        collections.clear()
        state = read_state(folder)
        during = len(collections)
    finally:
        gc.callbacks.remove(heard)
        gc.set_threshold(*before)
    assert state.steps_done == 100
    assert during <= 4  # before and after
    assert gc.isenabled()

"""A run that is driven elsewhere, followed in its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.session import following
from engine.session.following import FollowedSession
from engine.storage.run_folder import EVENTS
from tests.support.written_runs import write_run


def test_it_stands_at_the_end_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(following, "TIMES_A_READ", 0.0)
    run = write_run(tmp_path / "run", curve=(40, 60))
    data = (run / EVENTS).read_bytes()
    lines = data.splitlines(keepends=True)
    (run / EVENTS).write_bytes(b"".join(lines[: len(lines) // 2]))
    session = FollowedSession.open(run)
    session.start()
    assert session.ended and session.at_end and session.state.status != "finished"
    (run / EVENTS).write_bytes(data)
    assert session.state.status == "finished" and session.steps == 2
    session.go_to(0)
    assert session.state.steps_done == 0  # a person looks elsewhere
    (run / EVENTS).unlink()
    session.go_to_end()
    assert session.state.status == "finished"

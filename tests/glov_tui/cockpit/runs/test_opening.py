"""How a run is opened from a list: attached to, followed, or shown as it was left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.remote import address
from engine.remote.client import RemoteSession
from engine.session.following import FollowedSession
from engine.storage.journal import Journal
from engine.storage.lock import OWNER
from glov_tui.cockpit.runs.opening import open_run
from tests.support.written_runs import write_run


def test_what_is_out_of_reach_is_followed_by_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", finished=False)
    assert isinstance(open_run(run, "screen").session, RemoteSession)  # as it was left
    (run / OWNER).write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    assert isinstance(open_run(run, "screen").session, FollowedSession)
    (run / OWNER).unlink()
    journal = Journal(run)
    with address.listen(run):
        monkeypatch.setattr("os.geteuid", lambda: 1 << 20)  # another user's
        assert isinstance(open_run(run, "screen").session, FollowedSession)
    journal.abandon()

"""Paths as people write them, and what can't even be looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import UserError
from engine.common.user_path import environment_path, reachable, why_not_there
from tests.support.privileges import sealed

LONG = "n" * 300  # no file system has such a name


def test_what_is_not_there_may_come_to_be(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere" / "x"):
        assert reachable(path) == path


def test_what_can_not_be_looked_for_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "can't be looked for: File name too long"
    with pytest.raises(UserError, match=said):
        reachable(tmp_path / LONG)
    assert said in (why_not_there(tmp_path / LONG) or "")
    monkeypatch.setenv("GLOV_DATA_DIR", LONG)
    with pytest.raises(UserError, match=f"GLOV_DATA_DIR=n+: it {said}"):
        environment_path("GLOV_DATA_DIR")


def test_a_folder_of_others_is_not_looked_into(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    with (
        sealed(closed, 0),
        pytest.raises(UserError, match="can't be looked for: Permission denied"),
    ):
        reachable(closed / "x")

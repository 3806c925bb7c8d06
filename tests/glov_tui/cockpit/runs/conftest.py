"""A runs folder of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "runs"

"""Engines outlive their screens: none shall outlive its test."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.lock import read_owner


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that a run can be written to; its engine ends with the test."""
    folder = tmp_path / "run"
    yield folder
    owner = read_owner(folder)
    if owner is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGKILL)

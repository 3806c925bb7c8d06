"""A real browser for the tests of this folder; skipped where there is none."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.lock import read_owner
from tests.support.served_runs import CHROMIUM, Browser, browser


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Browser]:
    """A browser that knows nothing of other tests' pages."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing; `make chromium` installs it for root")
    with browser(tmp_path / "browser") as opened:
        yield opened


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that a run can be written to; its engine ends with the test."""
    folder = tmp_path / "run"
    yield folder
    owner = read_owner(folder)
    if owner is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGKILL)

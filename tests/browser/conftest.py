"""A real browser for the tests of this folder; skipped where there is none."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.lock import read_owner
from tests.support.command import called
from tests.support.served_runs import CHROMIUM, Browser, browser


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing; `make chromium` installs it for root")
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def chromium(_browser: Browser) -> Iterator[Browser]:
    """A browser, whose pages are closed after the test."""
    yield _browser
    _browser.close_pages()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a long run that is under way; tests leave it so. Its engine is started once."""
    folder = tmp_path_factory.mktemp("live") / "run"
    arguments = ["demo", "--run-dir", str(folder), "--set", "steps=2000", "--detach"]
    done = called(*arguments)
    assert done.returncode == 0, done.stderr
    yield folder
    owner = read_owner(folder)
    if owner is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGKILL)

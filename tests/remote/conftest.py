"""Shared by the tests of the socket: models that are loaded once, and a run without a screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.kept import Kept
from engine.local_session import LocalSession
from tests.remote.screens import demo


@pytest.fixture(scope="session")
def kept() -> Kept:
    """Models that are loaded once for all runs of these tests."""
    return Kept()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Path:
    """The folder of a finished run that had no socket."""
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    session = LocalSession.create(demo(), folder, kept=kept)
    session.start()
    assert session.wait(60) and session.state.status == "finished"
    return folder

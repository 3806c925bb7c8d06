"""Whether the hub can be reached is looked at once, before its libraries try file by file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.models import hub
from tests.support import ROOT

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_hub_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub.why_unreachable(60) is None
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    assert "refused" in str(hub.why_unreachable(60))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:no-port/")
    assert "no-port" in str(hub.why_unreachable(60))


def test_behind_a_proxy_only_the_proxy_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert hub.why_unreachable() is None


def test_a_model_of_the_hub_fails_with_one_message_and_without_retries(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if "OFFLINE" not in k}
    environment |= {"HF_ENDPOINT": NOWHERE, "HF_HOME": str(tmp_path / "hub")}
    command = [sys.executable, "-m", "glov_tui", "run", "demo", "--headless", "--run-dir", "r"]
    command += ["--set", "llm.model=nobody/such-model"]
    done = subprocess.run(
        command,
        env={**environment, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count(f"{NOWHERE} can't be reached") == 1
    assert done.stderr.count("'nobody/such-model' was not found") == 1
    assert "etry" not in done.stderr

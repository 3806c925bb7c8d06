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


def test_an_llm_in_no_cache_is_known_before_libraries_are_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from engine.common.errors import ModelError\n"
        "from engine.config.toml_file import load_config\n"
        "from engine.session.loading import load_search\n"
        "config = load_config('demo', ['llm.model=nobody/such-model'])\n"
        "try:\n"
        "    load_search(config, lambda *_: None, lambda _: None)\n"
        "except ModelError as error:\n"
        "    print(error)\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    said, imported = done.stdout.splitlines()
    assert "'nobody/such-model' was not found" in said and str(tmp_path / "hub") in said
    assert imported == "False False"


def test_the_cache_is_where_the_hubs_library_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub" / "models--org--name").mkdir(parents=True)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert hub.is_cached("org/name") and not hub.is_cached("org/other")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert not hub.is_cached("org/name")
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub.cache() == tmp_path / "huggingface" / "hub"

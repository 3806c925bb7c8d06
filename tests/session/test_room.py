"""Models that can't fit are refused before anything is loaded, by a run and by ``glov doctor``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.session.local import LocalSession
from glov_tui.commands import doctor
from tests.support.enormous_weights import enormous
from tests.support.small_runs import demo, drive
from tests.support.tiny_llm import save_tiny

SIZE = 2**40  # more than any machine that tests run on has
REFUSED = r"the weights alone take about 10\d\d\.\d GiB, and cpu has .* GiB in all \(LLM .*/llm"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = save_tiny(tmp_path / "llm")
    enormous(made / "model.safetensors", SIZE)
    return made


def test_a_run_whose_llm_can_not_fit_loads_nothing(folder: Path, tmp_path: Path) -> None:
    loaded: list[str] = []
    config = demo(f"llm.model={folder}")
    session = LocalSession.create(
        config,
        tmp_path / "run",
        on_event=lambda event, state: loaded.append(
            state.progress.detail if state.progress else ""
        ),
    )
    state = drive(session)
    assert state.status == "failed" and state.error is not None
    assert state.error.startswith("these models can't be loaded here: the weights alone take about")
    assert "Choose a smaller llm.model" in state.error
    assert not any("image" in what or "tokenizer" in what for what in loaded)


def test_doctor_says_so_before(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert doctor.report(as_json=True, source="demo", overrides=[f"llm.model={folder}"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["room"]["fits"] is False
    llm = next(model for model in found["models"] if model["name"] == "LLM")
    assert llm["weights"] == "1024.0 GiB" and llm["counted_by"] == "headers of its files"


def test_doctor_of_what_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert doctor.report(as_json=True, source="demo") == 0
    found = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in found["models"]] == ["VLM", "LLM"]
    assert [device["name"] for device in found["memory"]] == ["cpu"]
    assert "problem" not in found["room"]

"""Models that can't fit are refused before anything is loaded, by a run and by ``glov doctor``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from engine.common.errors import ModelError
from engine.common.kept import Kept
from engine.config.toml_file import load_config
from engine.models import device
from engine.models.control_groups import GroupMemory
from engine.placement.wanted import Wanted
from engine.session.loading import load_scoring
from engine.session.local import LocalSession
from engine.session.room import check_room
from glov_tui.commands import doctor
from tests.support.command import called
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


def test_each_model_that_another_run_has_not_loaded_is_looked_at(
    folder: Path, tmp_path: Path
) -> None:
    kept = Kept()
    drive(LocalSession.create(demo("steps=0"), tmp_path / "one", kept=kept))
    again = drive(LocalSession.create(demo("steps=0", "seed=1"), tmp_path / "two", kept=kept))
    assert again.status == "finished"
    config = demo("steps=0", f"llm.model={folder}")  # as in a sweep over LLMs
    state = drive(LocalSession.create(config, tmp_path / "three", kept=kept))
    assert state.status == "failed" and state.error is not None
    assert state.error.startswith("these models can't be loaded here")


def test_another_vlm_of_an_evaluation_is_looked_at(tmp_path: Path) -> None:
    kept = Kept()
    load_scoring(demo(), lambda *_: None, lambda _: None, kept)
    with pytest.raises(ModelError, match="these models can't be loaded here: the weights alone"):
        load_scoring(demo(f"vlm.model={wide(tmp_path)}"), lambda *_: None, lambda _: None, kept)


def test_a_layer_that_has_no_room_is_said_in_words(tmp_path: Path) -> None:
    model = wide(tmp_path, width=2**20)  # 12 TiB, which no host has
    with pytest.raises(ModelError, match=r"doesn't fit into the memory of vlm\.device = 'cpu'"):
        load_scoring(demo(f"vlm.model={model}"), lambda *_: None, lambda _: None)


def wide(folder: Path, width: int = 2**14) -> Path:
    """A dual encoder whose configuration asks for more than any machine has."""
    shutil.copytree(load_config("demo").vlm.model, folder, dirs_exist_ok=True)
    file = folder / "open_clip_config.json"
    about = json.loads(file.read_text())
    about["model_cfg"]["text_cfg"] |= {"width": width, "heads": 2**7, "layers": 100}
    file.write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("asked", [("--replies", "1"), ("--replies", "1", "--fitness")])
def test_the_lab_on_the_command_line_loads_nothing_either(
    asked: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    about = ("--positive", "a <category>.", "--negative", "no <category>.", "--prompt", "Go on.")
    done = called("steer", *about, *asked, "--set", f"llm.model={folder}", cwd=tmp_path)
    assert done.returncode == 2 and "these models can't be loaded here" in done.stderr
    assert ("VLM" in done.stderr) == ("--fitness" in asked)  # only what is loaded counts


def test_who_knows_better_has_it_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config, said = demo(f"llm.model={folder}"), []
    with pytest.raises(ModelError, match="GLOV_MEMORY_CHECK=off in the environment"):
        check_room(config, Wanted(), said.append)
    monkeypatch.setenv("GLOV_MEMORY_CHECK", "off")
    check_room(config, Wanted(), said.append)
    assert len(said) == 1 and "loaded all the same" in said[0] and "10" in said[0]
    assert doctor.report(as_json=True, source="demo", overrides=[f"llm.model={folder}"]) == 0
    assert "GiB in all" in json.loads(capsys.readouterr().out)["room"]["warning"]


def test_doctor_tells_which_model_it_knows_nothing_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = save_tiny(tmp_path / "llm")
    (made / "model.safetensors").write_bytes(b"half")
    assert doctor.report(as_json=True, source="demo", overrides=[f"llm.model={made}"]) == 0
    room = json.loads(capsys.readouterr().out)["room"]
    assert room == {"fits": True, "note": "as far as is known: what the LLM takes is not"}


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


def test_doctor_has_the_memory_that_control_groups_leave(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(device, "group_memory", lambda swap: GroupMemory(2**30, 2**31))
    assert doctor.report(as_json=True, source="demo") == 0
    found = json.loads(capsys.readouterr().out)
    host = found["devices"][0]
    assert (host["name"], host["memory"]) == ("cpu", "2.0 GiB")
    assert found["memory"][0]["total"] == "2.0 GiB"


def test_a_gpu_that_does_not_answer_is_said_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # and none is there
    assert doctor.report(as_json=True, source="demo", overrides=["vlm.device=cuda:0"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["devices"][1]["found"].startswith("cuda:0 can't be used: ")
    assert found["room"]["problem"].startswith("cuda:0 can't be used: ")

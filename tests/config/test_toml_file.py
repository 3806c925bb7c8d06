import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import ConfigError
from engine.config import RunConfig
from engine.config.toml_file import format_config, load_config, preset_file, preset_names, validate

DATA = {"data": {"path": "/images"}}


def message(values: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        validate({**DATA, **values}, "my.toml")
    return str(caught.value)


def test_every_preset_loads() -> None:
    for name in preset_names():
        load_config(name, ["data.path=/images"])


def test_paper_preset_has_the_papers_numbers() -> None:
    config = load_config("clip-paper", ["data.path=/images"])
    assert config.steps == 100 and config.data.shots == 1
    assert config.proposal.candidates == 10 and config.proposal.examples == 5
    assert config.steering.layers == (17,) and config.steering.mode == "last-token"
    sampling = config.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (1.0, 0.9, 50)
    assert sampling.max_new_tokens == 50


def test_the_papers_preset_of_the_second_family_has_its_numbers() -> None:
    config = load_config("llava-paper", ["data.path=/images"])
    assert config.steps == 25 and config.data.shots == 1
    assert config.proposal.candidates == 5 and config.proposal.examples == 5
    assert config.steering.layers == (17,) and config.steering.mode == "last-token"
    assert config.steering.alpha == 1.0 and config.evaluation.ensemble == 3
    vlm = config.vlm
    assert (vlm.kind, vlm.answer, vlm.max_new_tokens) == ("encoder-decoder", "embedding", 50)
    assert vlm.embedder == "sentence-transformers/all-mpnet-base-v2"


@given(
    alpha=st.floats(-1000, 1000),
    layers=st.one_of(st.just("auto"), st.lists(st.integers(0, 99), min_size=1)),
    task=st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs", "Cc"]))),
    comments=st.booleans(),
)
def test_toml_round_trip(alpha, layers, task, comments) -> None:
    config = RunConfig.model_validate(
        {**DATA, "steering": {"alpha": alpha, "layers": layers}, "proposal": {"task": task}}
    )
    assert validate(tomllib.loads(format_config(config, comments)), "x") == config


def test_unknown_key_names_the_nearest() -> None:
    assert "steering.alpa: there is no such key; did you mean steering.alpha?" in message(
        {"steering": {"alpa": 1}}
    )
    assert "did you mean llm?" in message({"llmm": {}})


def test_wrong_values_name_key_value_and_what_is_allowed() -> None:
    text = message({"steering": {"mode": "foo", "layers": -1, "alpha": "x"}, "steps": -1})
    assert "steering.mode = 'foo': should be 'last-token'" in text
    assert 'steering.layers = -1: should be "auto", a 0-based layer' in text
    assert "steering.alpha = 'x': should be a number, or 'auto'" in text
    assert "steps = -1: should be at least 0" in text


def test_image_folder_needs_a_path() -> None:
    with pytest.raises(ConfigError, match="data.path is missing"):
        validate({}, "my.toml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[data]\npath = "images"\n[llm]\nmodel = "./llm"\n[vlm]\nmodel = "ViT-B-32"\n')
    config = load_config(file)
    assert config.data.path == str(tmp_path / "images")
    assert config.llm.model == str(tmp_path / "llm")
    assert config.vlm.model == "ViT-B-32"


@pytest.mark.parametrize(
    ("name", "is_path"),
    [
        ("model.gguf", True),
        ("some/model.GGUF", True),
        ("../model.gguf", True),
        ("org/here/model.gguf", True),
        ("org/name/model.gguf", False),
        ("org/name", False),
    ],
)
def test_a_gguf_file_is_a_path_or_a_file_of_the_hub(tmp_path: Path, name: str, is_path: bool):
    there = tmp_path / "org" / "here" / "model.gguf"
    there.parent.mkdir(parents=True)
    there.touch()
    file = tmp_path / "my.toml"
    file.write_text(f'[data]\npath = "images"\n[llm]\nmodel = "{name}"\n')
    expected = str((tmp_path / name).resolve()) if is_path else name
    assert load_config(file).llm.model == expected


def test_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(
        "clip-paper",
        ["data.path=here", "steering.alpha=0.5", "steering.layers=[3, 4]", "llm.model=org/name"],
    )
    assert config.steering.alpha == 0.5
    assert config.steering.layers == (3, 4)
    assert config.llm.model == "org/name"
    assert config.data.path == str(tmp_path / "here")
    with pytest.raises(ConfigError, match=r"key\.path=value"):
        load_config("clip-paper", ["steering.alpha"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("steps = ", "no valid TOML"), (b"\xff\xfe\x00", "can't be read")],
)
def test_unreadable_files(tmp_path: Path, text, expected) -> None:
    file = tmp_path / "my.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=expected):
        load_config(file)


def test_missing_file_names_the_presets() -> None:
    with pytest.raises(ConfigError, match="Did you mean the preset clip-paper"):
        load_config("clip-papr")


def test_a_folder_or_file_of_a_presets_name_does_not_stand_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert load_config("demo").data.dataset == "demo-cabinet"
    (tmp_path / "clip-paper").write_text('name = "mine"\n')
    with pytest.raises(ConfigError, match=r"write \./clip-paper for the file"):
        load_config("clip-paper", ["data.path=x"])
    assert load_config("./clip-paper", ["data.path=x"]).name == "mine"
    assert load_config(preset_file("clip-paper"), ["data.path=x"]).name == "clip-paper"


@pytest.mark.parametrize("override", [".steps=3", "data.=3", "data..path=3", " =3"])
def test_a_key_with_an_empty_part_is_told_how_keys_are_written(override: str) -> None:
    with pytest.raises(ConfigError, match=r"write it as key\.path=value"):
        load_config("demo", [override])

"""Which models are found, and what is said when one isn't."""

from __future__ import annotations

import json
import os
import shutil

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.common.errors import ModelError
from engine.config import VLMConfig
from engine.models.device import find_device
from engine.vlm.dual_encoder.model import load_open_clip


def load(report=lambda _: None, **options):
    return load_open_clip(VLMConfig.model_validate({"device": "cpu", **options}), report)


def test_a_folder_given_as_a_path_in_all_spellings(model_folder, monkeypatch):
    folder = model_folder("clip")
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    loaded = [
        load(model=name)
        for name in (
            str(folder),
            "./clip",
            "~/clip",
            "../" + "/".join(folder.parts[-2:]),
            f"local-dir:{folder}",
        )
    ]
    assert {model.name for model in loaded} == {"clip"}
    assert len({model.key for model in loaded}) == 1
    assert not loaded[0].model.training


def test_the_key_tells_models_and_precisions_apart(model_folder):
    keys = {
        load(model=str(model_folder(name)), precision=precision).key
        for name in ("clip", "custom")
        for precision in ("fp32", "bf16")
    }
    assert len(keys) == 4


def test_weights_from_a_file_for_a_known_architecture(model_folder, tmp_path):
    content = json.loads((model_folder("clip") / "open_clip_config.json").read_text())
    for name, width in (("glov-test-a", 32), ("glov-test-b", 64)):
        content["model_cfg"]["embed_dim"] = width
        (tmp_path / f"{name}.json").write_text(json.dumps(content["model_cfg"]))
    open_clip.add_model_config(tmp_path)
    state = load_file(model_folder("clip") / "open_clip_model.safetensors")
    torch.save(state, tmp_path / "weights.pt")
    loaded = load(model="glov-test-a", pretrained=str(tmp_path / "weights.pt"))
    assert torch.equal(loaded.model.token_embedding.weight, state["token_embedding.weight"])
    with pytest.raises(ModelError, match=r"glov-test-b .* can't be loaded: .*size mismatch"):
        load(model="glov-test-b", pretrained=str(tmp_path / "weights.pt"))


@pytest.mark.parametrize("name", ["ViT-B-23", "vit-b-32-quickgelo", "ViT-L/41"])
def test_a_wrong_name_is_answered_with_near_ones(name):
    with pytest.raises(ModelError, match=rf"vlm.model is '{name}'.*near it are ViT-"):
        load(model=name)


def test_a_name_that_looks_like_something_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-model").mkdir()
    with pytest.raises(ModelError, match=r"write '\./my-model'"):
        load(model="my-model")
    with pytest.raises(ModelError, match="hf-hub:zzz/qqq"):
        load(model="zzz/qqq")
    with pytest.raises(ModelError, match="hf-hub:org/name, or a folder"):
        load(model="@@@@")


def test_unknown_and_missing_tags_list_the_model_s_tags():
    with pytest.raises(ModelError, match=r"did you mean 'openai'.*has the tags openai"):
        load(model="ViT-B-32-quickgelu", pretrained="opanai")
    with pytest.raises(ModelError, match=r"pretrained is missing; ViT-B-32 has the tags .*laion"):
        load(model="ViT-B-32")
    with pytest.raises(ModelError, match="has no tags"):
        load(model="ViT-M-32")


def test_folders_that_are_no_models(model_folder, tmp_path):
    with pytest.raises(ModelError, match="nowhere, which doesn't exist"):
        load(model=str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"no open_clip_config\.json"):
        load(model=str(tmp_path))
    shutil.copy(model_folder("clip") / "open_clip_config.json", tmp_path)
    with pytest.raises(ModelError, match="no weights in it"):
        load(model=str(tmp_path))
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"half a download")
    with pytest.raises(ModelError, match="can't be loaded: .*header"):
        load(model=str(tmp_path))
    (tmp_path / "open_clip_config.json").write_text("{")
    with pytest.raises(ModelError, match="can't be loaded: .*config"):
        load(model=str(tmp_path))


def test_weights_are_never_unpickled_into_code(model_folder, tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    shutil.copy(model_folder("clip") / "open_clip_config.json", tmp_path)
    torch.save({"state_dict": Harmful()}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match="can't be loaded"):
        load(model=str(tmp_path))
    assert not (tmp_path / "harm").exists()


def test_without_network_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for options in ({"model": "hf-hub:org/name"}, {"model": "ViT-B-32", "pretrained": "openai"}):
        with pytest.raises(ModelError, match=r"can't be loaded: .*Check the network.*by path"):
            load(**options)


def test_a_tag_beside_a_folder_is_said_to_be_unused(model_folder):
    said = []
    load(said.append, model=str(model_folder("clip")), pretrained="openai")
    assert said == ["vlm.pretrained is not used: the weights come from the folder vlm.model"]


@pytest.mark.parametrize(
    ("model", "tag", "better"),
    [
        ("ViT-B-32", "openai", "ViT-B-32-quickgelu"),
        ("ViT-B-32", "laion2b_s34b_b79k", None),
        ("ViT-B-32-quickgelu", "openai", None),
    ],
)
def test_weights_for_another_activation_are_reported(monkeypatch, tmp_path, model, tag, better):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    said = []
    with pytest.raises(ModelError, match="can't be loaded"):
        load(said.append, model=model, pretrained=tag)
    assert bool(said) == (better is not None)
    assert better is None or f"use vlm.model = '{better}'" in said[0]


def test_devices():
    assert find_device("cpu", "vlm.device") == torch.device("cpu")
    assert find_device("auto", "vlm.device").type in ("cpu", "cuda", "mps")
    for name in ("cuda:99", "gpu", "cpu:1x"):
        with pytest.raises(
            ModelError, match=rf"vlm.device is '{name}'; this machine has auto, cpu"
        ):
            find_device(name, "vlm.device")


def test_precision_is_what_was_asked_for(model_folder):
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        loaded = load(model=str(model_folder("clip")), precision=precision)
        assert loaded.dtype == dtype
        assert loaded.model.visual.conv1.weight.dtype == dtype
    assert load(model=str(model_folder("clip"))).dtype == torch.float32


def test_a_damaged_logit_scale(model_folder, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(model_folder("clip"), folder)
    state = load_file(folder / "open_clip_model.safetensors")
    state["logit_scale"] = torch.tensor(float("nan"))
    save_file(state, folder / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match="logit scale is nan"):
        load(model=str(folder))

"""What is said of a model's size before it is loaded is what it has when it is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

import open_clip
import pytest
import torch
import transformers

from engine.common.errors import ModelError
from engine.config import LLMConfig, RunConfig, VLMConfig
from engine.config.toml_file import load_config
from engine.llm.transformers_loading import load_model
from engine.placement import of_open_clip, of_transformers, stored
from engine.placement.estimate import estimate
from engine.placement.needs import Needs, loaded_bytes
from engine.placement.stored import Stored
from engine.placement.wanted import Wanted
from engine.vlm.dual_encoder.model import load_open_clip
from tests.support.enormous_weights import enormous
from tests.support.tiny_gguf import save_tiny_gguf
from tests.support.tiny_llm import FAMILIES, save_tiny, tiny_model

LLAVA = Path("engine/demo/weights/llava")


def weights_of(model: torch.nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())


def needs_of(folder: Path, **llm: object) -> Needs:
    section = LLMConfig(model=str(folder), device="cpu", **llm)
    return of_transformers.of_llm(RunConfig.model_construct(), section)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_of_an_llm_by_the_headers_of_its_files(
    family: str, dtype: str, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path, family)
    needs = needs_of(folder, dtype=dtype)
    model, _ = load_model(LLMConfig(model=str(folder), device="cpu", dtype=dtype), lambda _: None)
    assert needs.weights == weights_of(model)
    assert needs.rests_on == "headers of its files" and needs.devices == ("cpu",)


def test_weights_in_several_files_or_pickled(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "whole", "qwen2")
    whole = needs_of(folder).weights
    parts = tmp_path / "parts"
    shutil.copytree(folder, parts, ignore=shutil.ignore_patterns("*.safetensors"))
    tiny_model("qwen2").save_pretrained(parts, max_shard_size="20KB")
    assert len(list(parts.glob("*.safetensors"))) > 2
    assert needs_of(parts).weights == whole
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(tiny_model("qwen2").state_dict(), pickled / "pytorch_model.bin")
    about = needs_of(pickled)
    assert about.rests_on == "sizes of its files" and whole is not None
    assert about.weights == pytest.approx(whole, rel=0.15)  # with what else is in such a file


def test_weights_by_the_configuration_alone(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, "llama-gqa-tied")
    known = needs_of(folder).weights
    (folder / "model.safetensors").unlink()
    needs = needs_of(folder)
    assert (needs.weights, needs.rests_on) == (known, "its configuration")


def test_weights_of_a_gguf_file(tmp_path: Path) -> None:
    file = save_tiny_gguf(tmp_path / "some.gguf", packed=True)
    model, _ = load_model(LLMConfig(model=str(file), device="cpu"), lambda _: None)
    assert needs_of(file).weights == weights_of(model)


def test_keys_and_values_are_what_a_cache_of_that_length_takes(tmp_path: Path) -> None:
    config = load_config("demo", ["proposal.candidates=3", "sampling.max_new_tokens=7"])
    folder = save_tiny(tmp_path, "qwen3")
    needs = of_transformers.of_llm(config, LLMConfig(model=str(folder), device="cpu"))
    model = tiny_model("qwen3")
    length = of_transformers.prompt_tokens(config) + 7
    ids = torch.ones(3, 4, dtype=torch.long)
    cache = model(input_ids=ids, use_cache=True).past_key_values
    per_token = sum(
        tensor.numel() * tensor.element_size()
        for layer in cache.layers
        for tensor in (layer.keys, layer.values)
    ) // (3 * 4)
    (what, size), *_ = needs.work.items()
    assert "3 replies of 7 tokens" in what and size == 3 * length * per_token


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_of_an_encoder_decoder(precision: str) -> None:
    vlm = VLMConfig(
        kind="encoder-decoder", model=str(LLAVA.absolute()), device="cpu", precision=precision
    )
    from engine.vlm.encoder_decoder.model import load_model as load_vlm

    needs = of_transformers.of_vlm(vlm)
    assert needs.weights == weights_of(load_vlm(vlm).model)
    assert any("keys and values of 32 images" in what for what in needs.work)


def test_weights_of_a_dual_encoder_by_its_files_or_by_its_name() -> None:
    demo = load_config("demo").vlm
    needs = of_open_clip.of_dual_encoder(demo, images=1000)
    model = open_clip.create_model(f"local-dir:{demo.model}")
    assert needs.weights == weights_of(model)
    assert needs.work["features of 1,000 images"] == 1000 * 48 * 4
    named = VLMConfig(model="RN50", pretrained="openai", device="cpu", precision="fp32")
    needs = of_open_clip.of_dual_encoder(named, images=None)
    assert (needs.weights, needs.rests_on) == (102_007_137 * 4, "its configuration")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_dual_encoder_in_a_folder_whatever_its_weights_are_stored_in(
    precision: Literal["fp32", "bf16"], tmp_path: Path
) -> None:
    source = Path(load_config("demo").vlm.model)
    left = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(source, tmp_path, dirs_exist_ok=True, ignore=left)
    made = open_clip.create_model(f"local-dir:{source}")
    torch.save(made.state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    vlm = VLMConfig(model=str(tmp_path), device="cpu", precision=precision)
    needs = of_open_clip.of_dual_encoder(vlm, images=None)
    loaded = load_open_clip(vlm, lambda _: None).model
    assert needs.weights == weights_of(loaded)  # embeddings and norms are in 32 bits in both


def test_more_texts_or_images_at_once_take_more() -> None:
    named = VLMConfig(model="ViT-B-32", pretrained="openai", device="cpu", precision="fp32")
    (activations,) = of_open_clip.of_dual_encoder(named, images=None).work.values()
    # Measured (one thread, anonymous memory): 128 texts of 77 tokens 298 MiB, 32 images 89 MiB.
    assert 298 * 2048 * 16 / (128 * 77) < activations / 2**20 < 2 * 298 * 2048 * 16 / (128 * 77)
    few = named.model_copy(update={"text_batch": 16, "image_batch": 32})
    (activations,) = of_open_clip.of_dual_encoder(few, images=None).work.values()
    assert 89 < activations / 2**20 < 2 * 89


@pytest.mark.parametrize("model", ["no-such-model", "./no-such-folder"])
def test_a_dual_encoder_that_is_not_there_is_said_as_loading_it_does(model: str) -> None:
    vlm = VLMConfig(model=model, device="cpu")
    with pytest.raises(ModelError) as before:
        of_open_clip.of_dual_encoder(vlm, images=None)
    with pytest.raises(ModelError) as loading:
        load_open_clip(vlm, lambda _: None)
    assert str(before.value) == str(loading.value)


def test_weights_of_an_llm_without_attention(tmp_path: Path) -> None:
    config = transformers.Mamba2Config(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_heads=8, head_dim=8, n_groups=1
    )
    config.save_pretrained(tmp_path)
    needs = needs_of(tmp_path)
    model = transformers.Mamba2ForCausalLM(config)
    assert needs.weights == weights_of(model)
    (what, kept), *_ = needs.work.items()
    assert what.startswith("keys and values") and kept == 0


def test_a_file_tells_its_type_where_a_configuration_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny(tmp_path, "qwen2")  # of float32
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "dtype": None}))
    section = LLMConfig(model=str(folder), device="cpu", device_map="auto")  # as on a GPU
    needs = of_transformers.of_llm(RunConfig.model_construct(), section)
    assert needs.weights == weights_of(load_model(section, lambda _: None)[0])


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_experts_of_a_mixture_stay_whole(bits: Literal["8bit", "4bit"], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_tiny(tmp_path, "llama")
    for file in folder.glob("*.safetensors"):
        file.unlink()
    shape = json.loads((folder / "config.json").read_text())
    kept = ("vocab_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    config = transformers.MixtralConfig(
        **{key: shape[key] for key in kept},
        hidden_size=64,
        head_dim=32,
        intermediate_size=128,
        num_local_experts=4,
    )
    transformers.MixtralForCausalLM(config).save_pretrained(folder)
    section = LLMConfig(model=str(folder), device="cpu", quantization=bits)
    needs = of_transformers.of_llm(RunConfig.model_construct(), section)
    assert needs.weights == pytest.approx(weights_of(load_model(section, lambda _: None)[0]), 0.05)


DAMAGED = {
    "too many layers": ({"num_hidden_layers": 10**9}, None, "so many layers: 1000000000"),
    "too few": ({"num_hidden_layers": -3}, None, "so many layers: -3"),
    "half a file": ({}, ("model.safetensors", b"\x99" * 100), "model.safetensors is damaged"),
    "no file": ({}, ("model.safetensors", b""), "model.safetensors is damaged"),
    "no index": ({}, ("model.safetensors.index.json", b"[1"), "index.json is damaged"),
    "another index": ({}, ("model.safetensors.index.json", b'{"x": 1}'), "index.json is damaged"),
    "another kind": ({"model_type": "t5"}, None, "of type t5 is not one that writes text"),
}


@pytest.mark.parametrize(("changed", "file", "said"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_named_and_nothing_is_built_of_them(
    changed: dict[str, object], file: tuple[str, bytes] | None, said: str, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path, "llama")
    (folder / "model.safetensors").unlink()
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, **changed}))
    if file is not None:
        (folder / file[0]).write_bytes(file[1])
    config = load_config("demo", [f"llm.model={folder}"])
    needs = next(one for one in estimate(config, Wanted()) if one.what == "LLM")
    assert needs.weights is None and said in needs.rests_on


def test_what_quantised_weights_take() -> None:
    tensors = [
        Stored("model.embed_tokens.weight", "BF16", (1000, 64)),
        Stored("model.layers.0.mlp.up_proj.weight", "BF16", (256, 64)),
        Stored("model.layers.0.norm.weight", "BF16", (64,)),
        Stored("lm_head.weight", "BF16", (1000, 64)),
    ]
    others = (64_000 * 2 + 64) * 2
    assert loaded_bytes(tensors, 2) == others + 256 * 64 * 2
    assert loaded_bytes(tensors, 2, quantization="8bit") == others + 256 * 64
    four = loaded_bytes(tensors, 2, quantization="4bit")
    assert others + 256 * 64 / 2 < four < others + 256 * 64 * 0.53
    assert loaded_bytes(tensors, 2, tied=True) == others + 256 * 64 * 2 - 128_000
    packed = [Stored("model.layers.0.mlp.up_proj.qweight", "I32", (8, 256))]
    assert loaded_bytes(packed, 4) == 8 * 256 * 4  # as it is stored, whatever the type


def test_a_file_of_any_size_is_known_by_its_header(tmp_path: Path) -> None:
    file = enormous(tmp_path / "model.safetensors", 2**36)
    (only,) = stored.of_file(file)
    assert only == Stored("weight", "F32", (2**34, 1)) and only.bytes == 2**36

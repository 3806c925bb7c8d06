"""LLMs in 4 and 8 bits, and those that come quantised: real bitsandbytes, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.quantizers import quantizer_bnb_4bit

from engine.common.errors import ModelError
from engine.config import LLMConfig, RunConfig, SamplingConfig
from engine.llm.transformers_llm import LocalLLM
from engine.llm.transformers_loading import load_model
from engine.placement.of_transformers import of_llm
from engine.steering.direction import Steering
from tests.support.tiny_gguf import save_tiny_gguf
from tests.support.tiny_llm import save_tiny, tiny_model

bitsandbytes = pytest.importorskip("bitsandbytes")
MESSAGES = [{"role": "user", "content": "Say something."}]


def section(folder: Path, **keys: Any) -> LLMConfig:
    return LLMConfig(model=str(folder), device="cpu", **keys)


def wide(folder: Path) -> Path:
    """A model whose rows hold whole blocks of 64 weights, as all real ones' do."""
    save_tiny(folder, "llama")
    tiny_model("llama", hidden_size=64, intermediate_size=128).save_pretrained(folder)
    return folder


def replies(llm: LocalLLM, seeds: list[int], steering: Steering | None = None) -> list[str]:
    asked = llm.propose(MESSAGES, SamplingConfig(max_new_tokens=6), seeds, steering)
    while True:
        try:
            next(asked)
        except StopIteration as ended:
            return [reply.text for reply in ended.value]


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_it_is_steered_with_a_cache_as_any_other(bits: str, tmp_path: Path) -> None:
    llm = LocalLLM.load(section(wide(tmp_path), quantization=bits))
    kind = {"4bit": bitsandbytes.nn.Linear4bit, "8bit": bitsandbytes.nn.Linear8bitLt}[bits]
    assert isinstance(llm._model.model.layers[0].mlp.up_proj, kind)
    assert llm.layouts.steered[0] != "reread" and llm.layouts.plain[0] != "reread"
    direction = llm.direction("one text", "another", "no-bos")
    steering = Steering(direction, (2,), 4.0, "last-token")
    alone, together = replies(llm, [7], steering), replies(llm, [7, 8, 9], steering)
    assert len(together) == 3 and alone == together[:1]


def test_rows_that_are_no_whole_blocks_are_refused_in_words(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, "llama")
    with pytest.raises(ModelError, match=r"a layer of 32 inputs, and 4 bits on a CPU take multip"):
        load_model(section(folder, quantization="4bit"), lambda _: None)


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_what_it_takes_is_known_before(bits: str, tmp_path: Path) -> None:
    folder = wide(tmp_path)
    needs = of_llm(RunConfig.model_construct(), section(folder, quantization=bits))
    model, _ = load_model(section(folder, quantization=bits), lambda _: None)
    taken = sum(t.numel() * t.element_size() for t in model.parameters())
    assert needs.weights == pytest.approx(taken, rel=0.05)


def test_a_token_in_8_bits_rests_on_none_that_comes_later(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, "llama")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.1.input_layernorm.weight"))
    weights[name] *= 50  # states far above 6, which bitsandbytes takes for outliers
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model, _ = load_model(section(folder, quantization="8bit"), lambda _: None)
    ids = torch.arange(10, 20)[None]
    changed = ids.clone()
    changed[0, -1] = 99
    with torch.inference_mode():
        before, after = (model(input_ids=some).logits[0, :-1] for some in (ids, changed))
    assert torch.equal(before, after)


def test_without_the_package_it_is_said_before_a_weight_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny(tmp_path)
    (folder / "model.safetensors").unlink()
    monkeypatch.setattr(quantizer_bnb_4bit, "is_bitsandbytes_available", lambda: False)
    with pytest.raises(ModelError, match=r"to be quantised, which needs a package: .*bitsandbytes"):
        load_model(section(folder, quantization="4bit"), lambda _: None)
    with pytest.raises(ModelError, match=r"pip install 'glov-tui\[quantized\]'"):
        of_llm(RunConfig.model_construct(), section(folder, quantization="4bit"))


def comes_quantised(folder: Path, **how: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": how}))
    return folder


@pytest.mark.parametrize(
    ("how", "needs"),
    [
        ({"quant_method": "gptq", "bits": 4}, "optimum|gptq"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "gptqmodel|GPU"),
        ({"quant_method": "compressed-tensors"}, "compressed"),
    ],
)
def test_a_model_that_comes_quantised_says_what_it_needs(
    how: dict[str, Any], needs: str, tmp_path: Path
) -> None:
    folder = comes_quantised(save_tiny(tmp_path), **how)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=rf"comes quantised \({how['quant_method']}\).*({needs})"):
        load_model(section(folder), lambda _: None)
    with pytest.raises(ModelError, match=r'comes quantised already .* llm.quantization = "none"'):
        load_model(section(folder, quantization="4bit"), lambda _: None)


def test_a_model_in_fp8_is_unpacked_without_code_of_the_hub(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, "llama")
    whole, _ = load_model(section(folder), lambda _: None)
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if "_proj" in name and name.endswith("weight")]:
        scale = weights[name].abs().max() / 448
        weights[name] = (weights[name] / scale).to(torch.float8_e4m3fn)
        weights[f"{name}_scale_inv"] = scale.reshape(1, 1)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    comes_quantised(folder, quant_method="fp8", weight_block_size=[128, 128])
    needs = of_llm(RunConfig.model_construct(), section(folder))
    model, _ = load_model(section(folder), lambda _: None)
    up = model.model.layers[0].mlp.up_proj.weight
    assert up.dtype == torch.float32
    assert torch.allclose(up, whole.model.layers[0].mlp.up_proj.weight, rtol=0.1, atol=0.02)
    assert needs.weights == pytest.approx(
        sum(t.numel() * t.element_size() for t in model.parameters()), rel=0.01
    )
    assert LocalLLM("llm", model, load_model(section(folder), lambda _: None)[1]).layouts


def test_a_gguf_file_is_unpacked_and_not_packed_again(tmp_path: Path) -> None:
    file = save_tiny_gguf(tmp_path / "some.gguf")
    with pytest.raises(ModelError, match=r"llm.quantization is '8bit', and a GGUF file"):
        load_model(section(file, quantization="8bit"), lambda _: None)

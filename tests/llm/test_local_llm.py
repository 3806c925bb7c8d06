"""Loading from a folder, as a hub model is loaded, and every way in which that fails."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
import transformers
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from engine.common.errors import ModelError
from engine.config import LLMConfig, SamplingConfig
from engine.config.toml_file import load_config
from engine.llm.transformers_llm import LocalLLM
from engine.session.loading import load_search
from engine.steering.direction import Steering
from tests.support.tiny_llm import save_tiny, tiny_model, tiny_tokenizer

MESSAGES = [
    {"role": "system", "content": "You write prompts."},
    {"role": "user", "content": "One, please."},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("llm"))


def load(model: Path | str, **settings) -> LocalLLM:
    return LocalLLM.load(LLMConfig(model=str(model), device="cpu", **settings))


def test_loads_a_folder_and_says_how_far_it_is_and_nothing_else(folder, capfd):
    stages: list[str] = []
    llm = LocalLLM.load(LLMConfig(model=str(folder)), stages.append)
    assert llm.name == str(folder)
    assert llm.layers == 4
    assert [stage.split(" of ")[0] for stage in stages] == [
        "the tokenizer",
        "the weights",
        "the decoder layers",
    ]
    assert capfd.readouterr() == ("", "")


def test_proposes_and_steers(folder):
    llm = load(folder)
    direction = llm.direction("a photo of a <category>.", "a <category>.", "no-bos")
    columns = llm.propose(
        MESSAGES,
        SamplingConfig(max_new_tokens=5),
        [1, 2, 3],
        Steering(direction, (2,), 1.0, "last-token"),
    )
    assert len(next(columns).texts) == 3


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_dtype(folder, dtype):
    llm = load(folder, dtype=dtype)
    assert llm._model.dtype == getattr(torch, dtype)
    assert next(llm.propose(MESSAGES, SamplingConfig(max_new_tokens=2), [1])).texts


def test_dtype_auto_on_a_cpu_is_float32(tmp_path):
    tiny_model("llama").half().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert load(tmp_path)._model.dtype == torch.float32


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_implementations_are_all_exact(folder, attention):
    llm = load(folder, attention=attention)
    assert llm.layouts.steered == ("static", "split", "window", "reread")


def test_a_base_model_is_announced(tmp_path):
    said: list[str] = []
    save_tiny(tmp_path, chat_template=None)
    config = load_config("demo", [f"llm.model={tmp_path}"])
    load_search(config, lambda *_: None, said.append)
    assert [text for text in said if "has no chat template" in text]


def test_reference_pooling_pads_without_an_end_of_turn_token(tmp_path):
    llm = load(save_tiny(tmp_path, chat_template=None))
    assert llm.direction("a <category> of a photo.", "<category>.", "reference").layers == 4


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere-at-all"])
def test_a_missing_folder(name):
    with pytest.raises(ModelError, match=r"llm.model is '.*nowhere.*': there is no folder /"):
        load(name)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load(tmp_path)


def test_a_hub_name_without_a_hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"'org/no-such-model' was not found .* local folder"):
        load("org/no-such-model")


def test_an_encoder_decoder_model(tmp_path):
    config = transformers.T5Config(
        vocab_size=262, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"no causal language model \(it is of type t5\)"):
        load(tmp_path)


def test_a_model_that_is_no_language_model(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.ViTModel(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no causal language model"):
        load(tmp_path)


def test_an_unknown_architecture(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-type"}))
    with pytest.raises(ModelError, match="can't be loaded"):
        load(tmp_path)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_damaged_files(tmp_path, file):
    save_tiny(tmp_path)
    (tmp_path / file).write_bytes(b"{ not what it should be")
    with pytest.raises(ModelError, match=str(tmp_path)):
        load(tmp_path)


def test_missing_weights(tmp_path):
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"folder .* can't be read"):
        load(tmp_path)


def test_a_weight_that_is_missing_is_not_made_up(tmp_path):
    save_tiny(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.2.self_attn.q_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights .*: model\.layers\.2\.self_attn\.q_proj"):
        load(tmp_path)


def test_weights_of_another_shape(tmp_path):
    save_tiny(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 64}))
    with pytest.raises(ModelError, match="weights have other shapes than its configuration says"):
        load(tmp_path)


class _Dangerous:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_pickle_is_not_run(tmp_path):
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    target = tmp_path / "was-run"
    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": _Dangerous(target)}, file)
    with pytest.raises(ModelError, match="can't be loaded"):
        load(tmp_path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda:99", "llm.device is 'cuda:99'; this machine has auto, cpu"),
        ("gpu", "llm.device is 'gpu'; this machine has auto, cpu"),
    ],
)
def test_a_device_that_is_not_there(folder, device, message):
    with pytest.raises(ModelError, match=message):
        LocalLLM.load(LLMConfig(model=str(folder), device=device))


def test_a_prompt_longer_than_the_context(folder):
    llm = load(folder)
    messages = [{"role": "user", "content": "x" * 500}]
    expected = (
        r"504 tokens .* may have 50, .* reads 512 at most. Lower proposal.examples .*"
        r"shorten proposal.task or proposal.system_prompt"
    )
    with pytest.raises(ModelError, match=expected):
        next(llm.propose(messages, SamplingConfig(), [1]))


def test_the_library_says_nothing_of_what_is_too_long(tmp_path, capfd, caplog):
    place = save_tiny(tmp_path / "llm")
    settings = json.loads((place / "tokenizer_config.json").read_text())
    (place / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 512}))
    llm = load(place)
    library = transformers.utils.logging.get_logger("transformers")
    library.propagate, before = True, library.propagate
    capfd.readouterr()
    try:
        with pytest.raises(ModelError, match="reads 512 at most"):
            messages = [{"role": "user", "content": "x" * 600}]
            next(llm.propose(messages, SamplingConfig(), [1]))
    finally:
        library.propagate = before
    assert llm._tokenizer.model_max_length == 512
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_steering_that_does_not_fit_the_model(folder):
    llm = load(folder)
    direction = llm.direction("a photo of a <category>.", "a <category>.", "no-bos")
    steering = Steering(direction, (4,), 1.0, "last-token")
    with pytest.raises(ModelError, match=r"steering.layers has 4, but .* layers 0 to 3"):
        next(llm.propose(MESSAGES, SamplingConfig(), [1], steering))
    shallow = LocalLLM("other", tiny_model("llama", num_hidden_layers=2), tiny_tokenizer())
    steering = Steering(direction, (1,), 1.0, "last-token")
    with pytest.raises(ModelError, match="comes from another model"):
        next(shallow.propose(MESSAGES, SamplingConfig(), [1], steering))


def test_a_text_without_tokens_has_no_direction(folder):
    with pytest.raises(ModelError, match="no token"):
        load(folder).direction("a photo", "", "no-bos")

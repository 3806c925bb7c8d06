"""LLMs in GGUF files: the same model as in a folder, and messages where one can't be read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from engine.common.errors import ModelError
from engine.config import LLMConfig, SamplingConfig
from engine.llm.chat import prompt_tokens
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message
from engine.steering.direction import Steering
from tests.support.tiny_gguf import save_tiny_gguf
from tests.support.tiny_llm import save_tiny, tiny_model, tiny_tokenizer

MESSAGES: list[Message] = [
    {"role": "system", "content": "You write."},
    {"role": "user", "content": "Write é."},
]


def load(file: Path | str, **settings: Any) -> LocalLLM:
    return LocalLLM.load(LLMConfig(model=str(file), device="cpu", **settings))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_it_is_the_same_model(unpacked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    llm, other = load(unpacked), tiny_model("llama-gqa-tied", intermediate_size=64)
    assert llm.layouts.steered[0] == "static"
    ids = torch.arange(100)[None]
    with torch.inference_mode():
        assert torch.equal(llm._model(ids).logits, other(ids).logits)
    tokenizer = tiny_tokenizer()
    assert prompt_tokens(llm._tokenizer, MESSAGES) == prompt_tokens(tokenizer, MESSAGES)
    assert llm._tokenizer("a photo")["input_ids"] == tokenizer("a photo")["input_ids"]
    assert llm._stops == {1, 5}
    assert capfd.readouterr() == ("", "")  # no bars


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_packed_weights_are_unpacked_and_steered(tmp_path: Path, dtype: str) -> None:
    llm = load(save_tiny_gguf(tmp_path / "q8.GGUF", packed=True), dtype=dtype)
    assert {weight.dtype for weight in llm._model.parameters()} == {getattr(torch, dtype)}
    assert not hasattr(llm._model.config, "quantization_config")
    direction = llm.direction("a photo of a <category>.", "<category>?", "no-bos")
    steering = Steering(direction, (2,), 1.0, "last-token")
    columns = llm.propose(MESSAGES, SamplingConfig(max_new_tokens=3), [1, 2], steering)
    assert len(list(columns)) > 1


def test_without_a_chat_template_and_bos(tmp_path: Path) -> None:
    llm = load(save_tiny_gguf(tmp_path / "base.gguf", chat_template=None, bos=False))
    assert not llm.chats
    assert llm._tokenizer("a")["input_ids"] == tiny_tokenizer(bos=False)("a")["input_ids"]


def test_what_lies_beside_it_is_of_other_models(tmp_path: Path) -> None:
    save_tiny(tmp_path, chat_template="{{ messages[1].content }}")
    llm = load(save_tiny_gguf(tmp_path / "tiny.gguf"))
    assert prompt_tokens(llm._tokenizer, MESSAGES) == prompt_tokens(tiny_tokenizer(), MESSAGES)


@pytest.mark.parametrize("absent", ["gguf", "accelerate"])
def test_without_the_packages(unpacked: Path, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == absent else find(name, *a)
    )
    with pytest.raises(ModelError, match=rf"{absent}, which is .*pip install 'glov-tui\[gguf\]'"):
        load(unpacked)


def test_a_name_that_is_no_file() -> None:
    for name in ("nowhere.gguf", "some/nowhere.gguf", "./a/b/nowhere.gguf"):
        with pytest.raises(ModelError, match=r"there is no file /.*nowhere\.gguf"):
            load(name)
    with pytest.raises(ModelError, match="no name of the hub"):
        load("no owner/no name/file.gguf")


def test_a_file_of_the_hub(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="was not found on the hub or in its local cache"):
        load("org/name-GGUF/q8/tiny.gguf")
    repository = tmp_path / "models--org--name-GGUF"  # as the hub's cache has it
    snapshot = repository / "snapshots" / ("c" * 40) / "q8"
    snapshot.mkdir(parents=True)
    (snapshot / "tiny.gguf").symlink_to(unpacked)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c" * 40)
    assert load("org/name-GGUF/q8/tiny.gguf").layers == 4
    with pytest.raises(ModelError, match="was not found on the hub or in its local cache"):
        load("org/name-GGUF/q8/tiny.gguf", revision="v2")


@pytest.mark.parametrize(
    ("keep", "message"),
    [(0, "begins with b''"), (3000, "may be damaged"), (-5000, "can't be loaded")],
)
def test_a_file_that_is_not_whole(unpacked: Path, tmp_path: Path, keep: int, message: str) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(unpacked.read_bytes()[:keep])
    with pytest.raises(ModelError, match=message):
        load(cut)


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ModelError, match=r"no GGUF file, it begins with b'vers'"):
        load(file)


def test_one_of_several_parts(unpacked: Path, tmp_path: Path) -> None:
    part = tmp_path / "tiny-00001-of-00003.gguf"
    part.symlink_to(unpacked)
    with pytest.raises(ModelError, match=r"one of 3 parts .* llama-gguf-split --merge"):
        load(part)
    whole = tmp_path / "tiny-00001-of-00001.gguf"
    whole.symlink_to(unpacked)
    assert load(whole).layers == 4


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("clip", r"architecture clip is not supported .* the model's own hub name or folder"),
        ("t5", "no causal language model"),
        ("gemma3", "weights have other shapes"),
        ("mamba", "lacks weights"),
    ],
)
def test_a_model_that_is_no_such_llm(tmp_path: Path, architecture: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(save_tiny_gguf(tmp_path / "other.gguf", architecture=architecture))


def test_a_weight_that_is_missing_is_not_made_up(tmp_path: Path) -> None:
    file = save_tiny_gguf(tmp_path / "tiny.gguf", without="blk.1.ffn_up.weight")
    with pytest.raises(ModelError, match=r"lacks weights .*: model\.layers\.1\.mlp\.up_proj"):
        load(file)


def test_a_folder_of_gguf_files_names_one(unpacked: Path) -> None:
    with pytest.raises(ModelError, match=r"has GGUF files: give one of them, e\.g\. .*tiny\.gguf"):
        load(unpacked.parent)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    file = save_tiny(tmp_path) / "model.safetensors"
    with pytest.raises(ModelError, match="only GGUF files are read"):
        load(file)

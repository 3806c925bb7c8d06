"""No code that comes with an encoder-decoder is run unless ``vlm.trust_remote_code`` says so."""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import ModelError, UserError
from engine.config import VLMConfig
from engine.vlm.encoder_decoder.model import load_model
from tests.support.small_runs import demo
from tests.support.tiny_llava import save_tiny_llava

HARM = """
import pathlib
pathlib.Path({mark!r}).touch()
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
class HarmConfig(LlavaConfig): model_type = "harm"
class HarmModel(LlavaForConditionalGeneration): config_class = HarmConfig
class HarmProcessor(LlavaProcessor): pass
"""
MODEL = {
    "auto_map": {"AutoConfig": "harm.HarmConfig", "AutoModelForImageTextToText": "harm.HarmModel"},
    "model_type": "harm",
}
PROCESSOR = {
    "auto_map": {"AutoProcessor": "harm.HarmProcessor"},
    "processor_class": "HarmProcessor",
}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that the code of a model makes."""
    return tmp_path / "harm-was-done"


@pytest.fixture
def folder(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with code beside it that nothing names yet."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = save_tiny_llava(tmp_path / "model")
    (made / "harm.py").write_text(HARM.format(mark=str(mark)))
    return made


def edit(file: Path, change: dict[str, Any]) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))


def config(folder: Path, trusted: bool = False) -> VLMConfig:
    return VLMConfig(kind="encoder-decoder", model=str(folder), trust_remote_code=trusted)


@pytest.mark.parametrize(
    ("file", "change"), [("config.json", MODEL), ("processor_config.json", PROCESSOR)]
)
def test_code_is_run_only_where_the_key_says_so(
    folder: Path, mark: Path, file: str, change: dict[str, Any]
) -> None:
    edit(folder / file, change)
    try:
        load_model(config(folder))
    except ModelError as error:
        assert "is not run unless vlm.trust_remote_code = true" in str(error)
    else:
        assert file == "processor_config.json"  # transformers has a class of its own to take
    assert not mark.exists()
    with suppress(ModelError):  # this code does not get as far as a model
        load_model(config(folder, trusted=True))
    assert mark.exists() or file == "processor_config.json"


def test_a_kernel_that_a_folder_names_is_not_run(folder: Path) -> None:
    edit(folder / "config.json", {"attn_implementation": "some/kernel"})
    with pytest.raises(ModelError, match="'some/kernel', a kernel"):
        load_model(config(folder))


def test_the_key_is_refused_where_no_code_is_ever_run() -> None:
    with pytest.raises(UserError, match="no code that comes with a dual-encoder is ever run"):
        demo("vlm.trust_remote_code=true")

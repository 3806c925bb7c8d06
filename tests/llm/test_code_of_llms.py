"""No code that comes with an LLM's folder is run unless ``llm.trust_remote_code`` says so."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import ModelError
from engine.config import LLMConfig
from engine.llm.transformers_llm import LocalLLM
from tests.support.tiny_llm import save_tiny

HARM = """
import pathlib
pathlib.Path({mark!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class Harm(PreTrainedTokenizerFast): pass
class HarmConfig(LlamaConfig): model_type = "harm"
class HarmModel(LlamaForCausalLM): config_class = HarmConfig
def generate(model, **_): pass
"""
OWN_CODE = "comes with its own code, which is not run unless"


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that the code of a model makes."""
    return tmp_path / "harm-was-done"


@pytest.fixture
def folder(tmp_path: Path, mark: Path, monkeypatch) -> Path:
    """A model with code beside it that nothing names yet."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    made = save_tiny(tmp_path / "model")
    (made / "custom_generate").mkdir()
    for place in ("harm.py", "custom_generate/generate.py"):
        (made / place).write_text(HARM.format(mark=str(mark)))
    return made


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    change(content)
    file.write_text(json.dumps(content))


def load(folder: Path, **settings: Any) -> LocalLLM:
    return LocalLLM.load(LLMConfig(model=str(folder), device="cpu", **settings))


TOKENIZER = {"auto_map": {"AutoTokenizer": [None, "harm.Harm"]}, "tokenizer_class": "Harm"}
MODEL = {
    "auto_map": {"AutoConfig": "harm.HarmConfig", "AutoModelForCausalLM": "harm.HarmModel"},
    "model_type": "harm",
}


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("tokenizer_config.json", TOKENIZER, OWN_CODE),
        ("config.json", MODEL, OWN_CODE),
        # transformers has a class of its own for this one, and takes that
        ("config.json", {"auto_map": {"AutoModelForCausalLM": "harm.HarmModel"}}, None),
        ("config.json", {**MODEL, "trust_remote_code": True}, OWN_CODE),
        ("config.json", {"attn_implementation": "some/kernel"}, "'some/kernel', a kernel"),
        ("generation_config.json", {"custom_generate": "harm.py"}, None),
        ("adapter_config.json", {"auto_mapping": {"parent_library": "harm"}}, None),
    ],
)
def test_code_that_a_folder_names_is_not_run(folder, mark, file, change, said):
    edit(folder / file, lambda content: content.update(change))
    if said is None:
        load(folder)
    else:
        with pytest.raises(ModelError, match=said):
            load(folder)
    assert not mark.exists()


def test_code_is_run_where_the_configuration_says_so(folder, mark):
    """So the refusals above refuse something."""
    edit(folder / "tokenizer_config.json", lambda content: content.update(TOKENIZER))
    load(folder, trust_remote_code=True)
    assert mark.exists()

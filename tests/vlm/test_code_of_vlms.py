"""No code that comes with a VLM is run: every way in which a folder can name some, tried."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest

from engine.common.errors import ModelError
from engine.config import VLMConfig
from engine.vlm.dual_encoder.model import load_open_clip

HARM = """
import pathlib
pathlib.Path({mark!r}).touch()
from transformers import PreTrainedTokenizerFast, BertConfig, BertModel
class Harm(PreTrainedTokenizerFast): pass
class HarmConfig(BertConfig): model_type = "harm"
class HarmModel(BertModel): config_class = HarmConfig
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that the code of a model makes."""
    return tmp_path / "harm-was-done"


@pytest.fixture
def folder(model_folder, tmp_path: Path, mark: Path, monkeypatch) -> Callable[..., Path]:
    """A copy of a model with code beside it, its configuration and tokenizer naming that."""
    # Whoever types "y" on a terminal is not asked; nor is a pipe that says it.
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))

    def copy(kind: str, **text: Any) -> Path:
        made = tmp_path / "model"
        shutil.copytree(model_folder(kind), made)
        (made / "harm.py").write_text(HARM.format(mark=str(mark)))
        edit(made / "open_clip_config.json", lambda c: c["model_cfg"]["text_cfg"].update(text))
        return made

    return copy


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def name_code(folder: Path) -> None:
    """Have the tokenizer's own configuration name the code, as a hub model with code does."""
    edit(
        folder / "tokenizer_config.json",
        lambda c: c.update(auto_map={"AutoTokenizer": [None, "harm.Harm"]}, tokenizer_class="Harm"),
    )


def load(model: Path | str) -> Any:
    return load_open_clip(VLMConfig(model=str(model), device="cpu"), lambda _: None)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"trust_remote_code": "yes", "code_revision": "x"}, "code_revision, trust_remote_code"),
        ({"config": {"auto_map": {}}, "clean": "lower"}, "asks for config,"),
        ({"bpe_path": "/etc/passwd"}, "bpe_path"),
        ({"gguf_file": "a"}, "gguf_file"),
        ({"reduction_mask": "syntax"}, "reduction_mask = 'syntax'"),
        ([["trust_remote_code", True]], "it should be a table"),
    ],
)
def test_a_tokenizer_is_told_nothing_that_runs_code(folder, mark, options, named):
    model = folder("eos", tokenizer_kwargs=options)
    name_code(model)
    with pytest.raises(ModelError, match=named):
        load(model)
    assert not mark.exists()


def test_a_tokenizer_with_code_is_not_loaded_nor_asked_about(folder, mark):
    model = folder("eos")
    name_code(model)
    with pytest.raises(ModelError, match="comes with its own code, and no code of a VLM"):
        load(model)
    assert not mark.exists()


def test_a_text_tower_with_code_is_not_loaded_nor_asked_about(folder, mark):
    model = folder("hf-text")
    tower = model / "tower"
    tower.mkdir()
    (model / "harm.py").rename(tower / "harm.py")
    auto_map = {"AutoConfig": "harm.HarmConfig", "AutoModel": "harm.HarmModel"}
    (tower / "config.json").write_text(json.dumps({"model_type": "harm", "auto_map": auto_map}))
    edit(
        model / "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(tower)),
    )
    with pytest.raises(ModelError, match="comes with its own code, and no code of a VLM"):
        load(model)
    assert not mark.exists()


def test_a_kernel_of_the_hub_is_code_too(folder, tmp_path):
    model = folder("hf-text")
    tower = tmp_path / "tower"
    config = json.loads((model / "open_clip_config.json").read_text())["model_cfg"]["text_cfg"]
    shutil.copytree(config["hf_model_name"], tower)
    edit(tower / "config.json", lambda c: c.update(attn_implementation="some/kernel"))
    edit(
        model / "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name=str(tower)),
    )
    with pytest.raises(ModelError, match=r"attn_implementation = 'some/kernel', a kernel"):
        load(model)


def test_a_model_of_the_hub_is_looked_at_as_a_folder_is(folder, mark, monkeypatch):
    model = folder("eos", tokenizer_kwargs={"trust_remote_code": True})
    name_code(model)

    def from_the_hub(model_id: str, filename: str | None = None, **_: Any) -> str:
        return str(model / (filename or "open_clip_model.safetensors"))

    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", from_the_hub)
    with pytest.raises(ModelError, match=r"some/model: text_cfg\.tokenizer_kwargs.*trust_remote"):
        load("hf-hub:some/model")
    edit(
        model / "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(hf_tokenizer_name=str(model)),
    )
    edit(
        model / "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].pop("tokenizer_kwargs"),
    )
    with pytest.raises(ModelError, match="comes with its own code"):
        load("hf-hub:some/model")
    assert not mark.exists()


def test_options_that_only_say_how_texts_are_read_are_taken(folder):
    model = load(folder("eos", tokenizer_kwargs={"clean": "canonicalize"}))
    plain, marked = model.tokenizer(["a photo of the cat", "A photo, of the cat."])
    assert plain.tolist() == marked.tolist()


def test_open_clip_s_own_models_ask_for_nothing_else():
    from engine.vlm.dual_encoder.code import check_tokenizer_options

    for name in open_clip.list_models():
        check_tokenizer_options(open_clip.get_model_config(name)["text_cfg"], name)

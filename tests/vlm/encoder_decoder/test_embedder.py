"""The sentence embedder: what it gives, what it refuses, and how it says what is wrong."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, models
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from engine.common.errors import ModelError
from engine.config.toml_file import load_config
from engine.session.loading import load_search
from engine.vlm.encoder_decoder.embedder import Embedder, load_embedder
from tests.support.tiny_embedder import save_tiny_embedder

HARM = "import pathlib\npathlib.Path({mark!r}).touch()\nclass Harm: pass\n"
CPU = torch.device("cpu")


def load(folder: Path | str) -> Embedder:
    return load_embedder(str(folder), CPU)


@pytest.fixture
def static(tmp_path: Path) -> Path:
    return save_tiny_embedder(tmp_path / "static", ["red", "ball", "cup"])


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A random BERT with a pooling, as most embedders on the hub are."""
    inner = tmp_path / "inner"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(inner)
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "red", "ball"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(inner)
    transformer = Transformer(str(inner))
    made = SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu")
    made.save_pretrained(str(tmp_path / "bert"))
    return tmp_path / "bert"


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_texts_are_points_of_length_one_and_nothing_where_no_word_is_known(static: Path) -> None:
    found = load(static).embed(["red", "red ball", "red", "", "zebra", "RED"])
    assert found.dtype == torch.float32
    assert torch.equal(found[0], found[2]) and torch.equal(found[0], found[5])
    assert found.norm(dim=1).tolist() == pytest.approx([1, 1, 1, 0, 0, 1])
    assert float(found[0] @ found[1]) == pytest.approx(0.5**0.5)


def test_a_bert_of_many_texts_gives_what_it_gives_each(bert: Path) -> None:
    embedder = load(bert)
    texts = ["red", "red ball red ball", "ball", ""]
    together = embedder.embed(texts)
    alone = torch.cat([embedder.embed([text]) for text in texts])
    assert torch.allclose(together, alone, atol=1e-6)


def test_two_models_are_told_apart_by_their_weights(static: Path, tmp_path: Path) -> None:
    other = save_tiny_embedder(tmp_path / "other", ["red", "ball", "cup"], {"red": [0.5, 0.5]})
    copied = shutil.copytree(static, tmp_path / "copy")
    assert load(static).weights == load(copied).weights != load(other).weights


def test_numbers_that_are_none_are_said_with_the_text(static: Path) -> None:
    weights = load_file(static / "model.safetensors")
    name = next(iter(weights))
    weights[name][2] = float("nan")
    save_file(weights, static / "model.safetensors")
    embedder = load(static)
    embedder.embed(["red"])
    with pytest.raises(ModelError, match="makes no numbers of the text 'red ball'"):
        embedder.embed(["red", "red ball"])


def test_less_memory_means_smaller_batches(static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = load(static)
    encode, sizes = embedder._model.encode, []

    def short(texts: list[str], batch_size: int, **options: Any) -> torch.Tensor:
        sizes.append(batch_size)
        if batch_size > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(texts, batch_size=batch_size, **options)

    monkeypatch.setattr(embedder._model, "encode", short)
    most = 16
    assert embedder.embed(["red", "cup"]).shape == (2, 4) and sizes == [64, 32, 16]
    most = 0
    with pytest.raises(ModelError, match="more memory than there is for a single text"):
        embedder.embed(["red"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./nowhere", "there is no such folder"),
        ("nowhere", "there is no such folder"),
        ("a/b/c", "there is no such folder"),
        ("org/model", "it is no sentence-transformers model, or can't be reached"),
    ],
)
def test_a_model_that_is_not_there_is_said(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(name)


def test_folders_that_are_no_such_model_are_said(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the folder has no modules\.json"):
        load(tmp_path / "inner")  # a transformers model is no embedder
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"the folder has no modules\.json"):
        load(tmp_path / "empty")
    for name, content in [
        ("model.safetensors", b"\0" * 100),
        ("modules.json", b"{"),
        ("modules.json", b'[{"idx": 0}]'),
        ("modules.json", b'["x"]'),
        ("config.json", b'{"model_type": "no such"}'),
    ]:
        broken = shutil.copytree(bert, tmp_path / "broken", dirs_exist_ok=True)
        (broken / name).write_bytes(content)
        with pytest.raises(ModelError, match="the embedder broken can't be loaded"):
            load(broken)


def test_it_is_loaded_and_used_without_a_word_of_the_libraries(
    bert: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    load(bert)
    capfd.readouterr()
    load(bert).embed(["red"] * 40)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the code of a model makes. Whoever types "y" on a terminal is not asked."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    return tmp_path / "harm-was-done"


@pytest.mark.parametrize(
    "kind",
    [
        "harm.Harm",
        "os.system",
        "sentence_transformers.sentence_transformer.modules.WordEmbeddings",
        "sentence_transformers.base.modules.Router",
    ],
)
def test_a_part_that_may_be_code_is_refused(static: Path, mark: Path, kind: str) -> None:
    (static / "harm.py").write_text(HARM.format(mark=str(mark)))
    edit(static / "modules.json", lambda parts: parts[0].update(type=kind))
    with pytest.raises(ModelError, match=rf"a part '{re.escape(kind)}'.*no code of a VLM"):
        load(static)
    assert not mark.exists()


def test_a_transformer_with_code_is_refused(bert: Path, mark: Path) -> None:
    (bert / "harm.py").write_text(HARM.format(mark=str(mark)))
    auto_map = {"AutoConfig": "harm.Harm", "AutoModel": "harm.Harm"}
    edit(bert / "config.json", lambda c: c.update(auto_map=auto_map, model_type="harm"))
    with pytest.raises(ModelError, match="comes with its own code"):
        load(bert)
    assert not mark.exists()


@pytest.mark.parametrize("key", ["model_args", "model_kwargs", "config_args"])
def test_a_kernel_of_the_hub_is_code_too(bert: Path, key: str) -> None:
    options = {key: {"attn_implementation": "some/kernel", "trust_remote_code": True}}
    edit(bert / "sentence_bert_config.json", lambda c: c.update(options))
    with pytest.raises(ModelError, match="attn_implementation = 'some/kernel', a kernel"):
        load(bert)


def test_a_kernel_in_the_transformers_configuration_is_refused(bert: Path) -> None:
    edit(bert / "config.json", lambda c: c.update(attn_implementation="some/kernel"))
    with pytest.raises(ModelError, match="attn_implementation = 'some/kernel', a kernel"):
        load(bert)


def test_one_that_is_in_no_cache_is_known_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
    config = load_config(
        "demo",
        ["vlm.kind=encoder-decoder", "vlm.answer=embedding", f"vlm.model={tmp_path}"],
    )
    phases: list[str] = []
    expected = (
        "the embedder 'sentence-transformers/all-mpnet-base-v2' was not found in the hub's cache"
    )
    with pytest.raises(ModelError, match=expected) as raised:
        load_search(config, lambda what, *_: phases.append(what), lambda _: None)
    assert phases == [] and "set vlm.embedder to a local folder" in str(raised.value)

"""What a processor makes of an image and a question."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import normalizers
from transformers.models.smolvlm import processing_smolvlm

from engine.common.errors import ModelError
from engine.config import VLMConfig
from engine.prompts import jinja_limits
from engine.vlm.encoder_decoder.class_trie import build_trie
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods, one_by_one
from engine.vlm.encoder_decoder.model import LoadedModel, load_model
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import read_prefix
from tests.support.tiny_llava import CHAT, save_tiny_llava
from tests.support.tiny_processors import save

NAMES = ["red ball", "ball", "cup", "red cup", "cupboard"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")
    return load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))


@pytest.fixture
def questions(loaded: LoadedModel) -> Questions:
    return Questions(loaded.processor, loaded.model)


def image(seed: int) -> Image.Image:
    pixels = np.random.RandomState(seed).randint(0, 255, (20, 30, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "question",
    ["What is shown?", "name it <image> <end> <|user|>", "<category>?", "Was ist das, 猫?"],
)
def test_a_question_is_read_as_its_processor_reads_it_whole(
    loaded: LoadedModel, questions: Questions, question: str
) -> None:
    names = questions.names(NAMES)
    prefixes = [read_prefix(loaded.model, questions.prefix(image(i))) for i in range(2)]
    found = class_log_likelihoods(
        loaded.model, prefixes, questions.question(question), build_trie(names)
    )
    for row in range(2):
        inputs = questions.inputs(image(row), question)
        plain = [one_by_one(loaded.model, inputs, name) for name in names]
        assert torch.allclose(found[row], torch.tensor(plain), atol=1e-3)


def test_a_question_can_write_neither_an_image_nor_the_end_of_a_turn(
    loaded: LoadedModel, questions: Questions
) -> None:
    tokenizer = loaded.processor.tokenizer
    plain = questions.inputs(image(0), "what?")["input_ids"][0].tolist()
    asked = questions.inputs(image(0), "what <image> <end> <|assistant|>?")["input_ids"][0].tolist()
    for token in ("<image>", "<end>", "<|assistant|>"):
        number = tokenizer.convert_tokens_to_ids(token)
        assert asked.count(number) == plain.count(number)


def with_template(loaded: LoadedModel, template: str | None) -> Any:
    loaded.processor.chat_template, before = template, loaded.processor.chat_template
    return before


def test_templates_that_leave_the_question_out_or_have_no_image_are_refused(
    loaded: LoadedModel,
) -> None:
    dropped = CHAT.replace("\n{{ part['text'] }}", "")
    before = with_template(loaded, dropped)
    try:
        with pytest.raises(ModelError, match="leaves the question out"):
            Questions(loaded.processor, loaded.model).question("what is it?")
        with_template(loaded, CHAT.replace("<image>", ""))
        with pytest.raises(ModelError, match="no input of an image"):
            Questions(loaded.processor, loaded.model).question("what is it?")
        with_template(loaded, None)
        with pytest.raises(ModelError, match="no chat template"):
            Questions(loaded.processor, loaded.model)
    finally:
        with_template(loaded, before)


def test_the_blank_before_an_answer_is_the_templates(loaded: LoadedModel) -> None:
    spaced = CHAT.replace(
        "\n{{ part['text'] }}",
        "{% if m['role'] == 'assistant' %} {% else %}\n{% endif %}{{ part['text'] }}",
    )
    plain = CHAT.replace(
        "\n{{ part['text'] }}",
        "{% if m['role'] == 'user' %}\n{% endif %}{{ part['text'] }}",
    )
    before = with_template(loaded, spaced)
    try:
        names = Questions(loaded.processor, loaded.model).names(["cup"])
        with_template(loaded, plain)
        bare = Questions(loaded.processor, loaded.model).names(["cup"])
    finally:
        with_template(loaded, before)
    decode = loaded.processor.tokenizer.decode
    assert decode(names[0]) == " cup" and decode(bare[0]) == "cup"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("./nowhere", "there is no such folder"),
        ("a/b/c", "there is no such folder"),
        ("org/model", "can't be loaded"),
    ],
)
def test_a_model_that_is_not_there_is_said(model: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_model(VLMConfig(kind="encoder-decoder", model=model))


def test_folders_that_are_no_such_model_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no config.json"):
        load_model(VLMConfig(kind="encoder-decoder", model=str(tmp_path)))
    folder = save_tiny_llava(tmp_path / "llava")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ModelError, match="can't be loaded"):
        load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))


def test_a_model_is_loaded_without_a_word_of_the_libraries(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny_llava(tmp_path / "llava")
    capfd.readouterr()
    load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))
    assert capfd.readouterr() == ("", "")


def test_a_chat_template_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jinja_limits, "LINES", 50_000)
    folder = save_tiny_llava(tmp_path / "llava")
    endless = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
    (folder / "chat_template.jinja").write_text(endless)
    loaded = load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))
    with pytest.raises(ModelError, match="did not end"):
        Questions(loaded.processor, loaded.model)


TEXTS = ["What?", "Which?\nA. red ball\nB. cup", "  spaced  ", "", "é 猫", "<image> <end>", "A <b>"]


def test_many_questions_are_read_as_one_alone(questions: Questions) -> None:
    assert questions.many(TEXTS) == [questions.question(text) for text in TEXTS]
    assert questions._is_text_enough


def test_where_the_text_alone_is_read_otherwise_the_image_goes_with_it(
    loaded: LoadedModel,
) -> None:
    before = with_template(loaded, CHAT.replace("\n{{ part['text'] }}", "{{ part['text'] }}"))
    tokenizer = loaded.processor.tokenizer
    normal = tokenizer.backend_tokenizer.normalizer
    try:  # what stands first in a text is read in another way than in the middle of one
        tokenizer.backend_tokenizer.normalizer = normalizers.Prepend("_")
        questions = Questions(loaded.processor, loaded.model)
        assert questions.many(TEXTS) == [questions.question(text) for text in TEXTS]
    finally:
        tokenizer.backend_tokenizer.normalizer = normal
        with_template(loaded, before)


def test_a_question_without_an_image_has_none(loaded: LoadedModel, questions: Questions) -> None:
    ids = questions.plain_inputs("what is <image> it?")["input_ids"][0].tolist()
    tokenizer = loaded.processor.tokenizer
    assert tokenizer.convert_tokens_to_ids("<image>") not in ids
    text = tokenizer.decode(ids)
    assert text.startswith("<|user|>what") and text.endswith("<|assistant|>")


def test_a_model_in_which_image_and_question_attend_both_ways_is_refused(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded.model.config, "model_type", "paligemma")
    with pytest.raises(ModelError, match="attend to each other"):
        Questions(loaded.processor, loaded.model)


@pytest.mark.parametrize("question", ["Is it a cafe\u0301?", "Is it 5 \u212b?", "WHAT is it?"])
@pytest.mark.parametrize("kind", [normalizers.NFC, normalizers.NFKC, normalizers.Lowercase])
def test_a_question_that_the_tokenizer_writes_in_another_way_is_asked(
    loaded: LoadedModel, question: str, kind: Any
) -> None:
    backend = loaded.processor.tokenizer.backend_tokenizer
    backend.normalizer = kind()
    try:
        questions = Questions(loaded.processor, loaded.model)
        asked = questions.question(question)
        assert questions.many([question]) == [asked]
    finally:
        backend.normalizer = normalizers.Sequence([])
    assert len(asked) > len(questions.question(""))


@pytest.mark.parametrize("name", ["<image>", "<end>", " <pad><|user|>", ""])
def test_a_class_name_of_which_nothing_is_left_is_refused(questions: Questions, name: str) -> None:
    with pytest.raises(ModelError, match=f"has nothing for '{re.escape(name)}'; give the class"):
        questions.names(["cup", name])


def test_class_names_hold_no_control_tokens_and_are_told_apart(questions: Questions) -> None:
    assert questions.names(["c<image>up", "ball"]) == questions.names(["cup", "ball"])
    with pytest.raises(ModelError, match="can't tell 'cup' from 'cup<end>'"):
        questions.names(["cup", "ball", "cup<end>"])


def test_nested_control_tokens_are_taken_out_and_those_that_are_only_text_stay(
    tmp_path: Path,
) -> None:
    folder = save_tiny_llava(tmp_path / "llava")
    own = load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))
    own.processor.tokenizer.add_tokens(["\n\n", "<h1>", "<|tool|>"])  # the first two as Gemma has
    questions = Questions(own.processor, own.model)
    assert questions.question("a <im<image>age><|to<end>ol|>b") == questions.question("a b")
    assert "<h1>\n\nx" in own.processor.tokenizer.decode(questions.question("<h1>\n\nx"))


def test_a_library_that_a_processor_needs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save("smolvlm", tmp_path / "smolvlm")
    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    with pytest.raises(ModelError, match="needs a library that is missing: .*num2words"):
        load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))

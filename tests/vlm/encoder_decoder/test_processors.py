"""Questions and images through the real processors and chat templates of every family."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.config import VLMConfig
from engine.data.sources import FolderSource
from engine.vlm.encoder_decoder.class_trie import build_trie
from engine.vlm.encoder_decoder.greedy import Greedy, write_answers
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods, one_by_one
from engine.vlm.encoder_decoder.model import LoadedModel, load_model
from engine.vlm.encoder_decoder.prefix_memory import PrefixMemory
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import read_prefix
from tests.support.tiny_processors import KINDS, save

NAMES = ["red ball", "ball", "cup", "red cup", "cupboard"]
SIZES = [(20, 30), (30, 14), (20, 30), (12, 40), (30, 14), (16, 16)]
TEXTS = ["What is shown?", "  spaced \n", "\n\nnew\tline", "<b>Was</b> ist das, 猫?", "<category>?"]

pytestmark = pytest.mark.parametrize("family", KINDS)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The model of a family from its folder, once each."""

    @functools.cache
    def of(family: str) -> LoadedModel:
        folder = save(family, tmp_path_factory.mktemp("vlm") / family)
        return load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))

    return of


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, size in enumerate(SIZES):
        pixels = np.random.RandomState(number).randint(0, 255, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def asked(loaded: LoadedModel) -> tuple[Any, Questions]:
    return loaded.model, Questions(loaded.processor, loaded.model)


def opened(pictures: Path, number: int) -> Image.Image:
    return Image.open(pictures / f"{number}.png").convert("RGB")


def test_images_of_several_sizes_are_read_together_as_each_alone(
    loaded: Any, pictures: Path, family: str
) -> None:
    model, questions = asked(loaded(family))
    names = questions.names(NAMES)
    paths = {row: f"{row}.png" for row in range(len(SIZES))}
    prefixes = ImagePrefixes(model, questions, FolderSource(pictures), batch=4)
    found = {}
    for group in prefixes.groups(paths):
        tokens = questions.question("What is shown?")
        scores = class_log_likelihoods(model, group.prefixes, tokens, build_trie(names))
        found |= dict(zip(group.rows, scores, strict=True))
    for row in paths:
        inputs = questions.inputs(opened(pictures, row), "What is shown?")
        plain = torch.tensor([one_by_one(model, inputs, name) for name in names])
        assert torch.allclose(found[row], plain, atol=1e-3)
    # The same words about other pictures, of one size even, have other scores.
    for one, other in ((0, 2), (1, 4), (0, 5)):
        assert not torch.allclose(found[one], found[other], atol=1e-3)


def test_every_question_is_read_as_the_processor_reads_it_whole(
    loaded: Any, pictures: Path, family: str
) -> None:
    _, questions = asked(loaded(family))
    images = [opened(pictures, row) for row in (0, 3)]
    before = [questions.prefix(image)["input_ids"][0].tolist() for image in images]
    for text in TEXTS:
        behind = questions.question(text)
        for image, ids in zip(images, before, strict=True):
            assert questions.inputs(image, text)["input_ids"][0].tolist() == ids + behind
        written = loaded(family).processor.tokenizer.decode(behind)
        assert "".join(text.split()) in "".join(written.split())
    assert questions.many(TEXTS) == [questions.question(text) for text in TEXTS]


def test_no_question_can_write_an_image_or_the_end_of_a_turn(
    loaded: Any, pictures: Path, family: str
) -> None:
    processor = loaded(family).processor
    (_, questions), image = asked(loaded(family)), opened(pictures, 0)
    plain = questions.inputs(image, "what is  it?")["input_ids"][0].tolist()
    controls = [*KINDS[family].controls, processor.image_token, "<video>"]
    nested = [f"{token[:2]}{token}{token[2:]}" for token in controls]
    for token in [*controls, *nested, " ".join(controls)]:
        ids = questions.inputs(image, f"what is {token} it?")["input_ids"][0].tolist()
        for control in processor.tokenizer.convert_tokens_to_ids(KINDS[family].controls):
            assert ids.count(control) == plain.count(control), token
        assert questions.many([f"what is {token} it?"]) == [
            questions.question(f"what is {token} it?")
        ]


def test_padding_is_on_the_left(loaded: Any, family: str) -> None:
    processor = loaded(family).processor
    Questions(processor, loaded(family).model)
    assert processor.tokenizer.padding_side == "left"


def test_answers_are_token_for_token_those_of_generate(
    loaded: Any, pictures: Path, family: str
) -> None:
    model, questions = asked(loaded(family))
    how = Greedy(frozenset(), most=5)
    tokens = questions.question("Name it.")
    for row in (0, 1):
        image = opened(pictures, row)
        prefix = read_prefix(model, questions.prefix(image))
        inputs = questions.inputs(image, "Name it.")
        plain = model.generate(**inputs, do_sample=False, max_new_tokens=5, min_new_tokens=5)
        expected = plain[0, inputs["input_ids"].shape[1] :].tolist()
        assert write_answers(model, [prefix], tokens, how) == [expected]


def test_what_was_seen_of_an_image_is_kept_where_its_prefix_has_no_room(
    loaded: Any, pictures: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, questions = asked(loaded(family))
    paths = {row: f"{row}.png" for row in range(len(SIZES))}
    memory = PrefixMemory(device=0, host=2**20)
    prefixes = ImagePrefixes(model, questions, FolderSource(pictures), memory=memory)
    first, again = [], []
    for group in prefixes.groups(paths):
        first += zip(group.rows, group.prefixes, strict=True)
    monkeypatch.setattr(questions, "prefix", None)  # no image is prepared again
    for group in prefixes.groups(paths):
        again += zip(group.rows, group.prefixes, strict=True)
    for row, prefix in first:
        for pair, other in zip(prefix.layers, dict(again)[row].layers, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(pair, other, strict=True))

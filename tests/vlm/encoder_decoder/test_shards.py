"""Images spread over processes of a real Ray: the same numbers as of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.common.errors import ModelError
from engine.common.generators import result_of
from engine.common.kept import Kept
from engine.session.local import LocalSession
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.interface import Score
from engine.vlm.loading import load_fitness
from tests.support.questions import configured, scored
from tests.support.small_ray import small_ray
from tests.support.small_runs import drive
from tests.support.tiny_embedder import save_random_embedder
from tests.support.tiny_llava import save_tiny_llava

QUESTIONS = ("what is shown?", "name the object", "is it a <category>, or what is it?")
SETTINGS = ("data.shots=2", "vlm.cache=false")


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """One for all tests here."""
    with small_ray() as library:
        yield library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")


@pytest.fixture(scope="module")
def alone(folder: Path, few_images: tuple[str, str]) -> EncoderDecoder:
    return loaded(folder, *few_images)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def spread(ray: Any, folder: Path, said: list[str], few_images: tuple[str, str]) -> EncoderDecoder:
    return loaded(folder, *few_images, "vlm.shards=2", said=said)


def loaded(folder: Path, *overrides: str, said: list[str] | None = None) -> EncoderDecoder:
    config = configured(folder, *SETTINGS, *overrides)
    report = [] if said is None else said
    made = load_fitness(config, lambda *_: None, report.append, Kept())
    assert isinstance(made, EncoderDecoder)
    return made


def check_same(found: Score, expected: Score) -> None:
    """All counts to the bit, means to the last digit that is kept."""
    assert found.margin == pytest.approx(expected.margin, abs=2e-6)
    assert found.probability == pytest.approx(expected.probability, abs=2e-6)
    assert replace(found, margin=0.0, probability=None) == replace(
        expected, margin=0.0, probability=None
    )


def test_scores_and_what_they_rest_on_are_those_of_one_process(
    alone: EncoderDecoder, spread: EncoderDecoder
) -> None:
    for split in ("train", "test"):
        pairs = zip(
            scored(spread, *QUESTIONS, split=split),
            scored(alone, *QUESTIONS, split=split),
            strict=True,
        )
        for found, expected in pairs:
            check_same(found, expected)
        for question in QUESTIONS:
            found, expected = (f.predictions(question, split) for f in (spread, alone))
            assert found is not None and expected is not None
            assert (found.classes == expected.classes).all()
            np.testing.assert_allclose(
                found.log_probabilities, expected.log_probabilities, rtol=2e-3
            )  # kept with 11 bits
    (rows,) = ([5, 0, 3],)
    (found,), (expected,) = (
        result_of(f.score(QUESTIONS[:1], split="train", rows=rows)) for f in (spread, alone)
    )
    check_same(found, expected)
    assert len(found.right) == 3
    check_same(*(result_of(f.score_ensemble(QUESTIONS, split="train")) for f in (spread, alone)))


def test_logits_are_those_of_one_process_in_float32(
    alone: EncoderDecoder, spread: EncoderDecoder
) -> None:
    rows = range(alone.size("train"))
    found, expected = (result_of(f.read(QUESTIONS, "train", rows)) for f in (spread, alone))
    for question in QUESTIONS:
        np.testing.assert_allclose(
            found[question].log_probabilities, expected[question].log_probabilities, atol=1e-5
        )


@pytest.mark.parametrize(
    "way", ["embedding", "choice", "choice parsed"], ids=lambda way: way.replace(" ", "-")
)
def test_each_way_to_answer_gives_what_it_gives_in_one_process(
    ray: Any, folder: Path, way: str, few_images: tuple[str, str]
) -> None:
    answer, _, letters = way.partition(" ")
    settings = [*few_images, "data.shots=1", "vlm.max_new_tokens=4", f"vlm.answer={answer}"]
    if letters:
        settings.append(f"vlm.letters={letters}")
    if answer == "embedding":
        embedder = folder.parent / "embedder"
        settings.append(f"vlm.embedder={save_random_embedder(embedder, folder / 'tokenizer.json')}")
    alone, spread = (loaded(folder, *settings, *more) for more in ((), ("vlm.shards=2",)))
    try:
        for found, expected in zip(
            scored(spread, *QUESTIONS[:2]), scored(alone, *QUESTIONS[:2]), strict=True
        ):
            check_same(found, expected)
    finally:  # the cluster has room for one
        assert spread._shards is not None
        for reader in spread._shards._readers.values():
            ray.kill(reader)


def test_a_call_that_is_closed_early_loses_nothing(
    alone: EncoderDecoder, spread: EncoderDecoder
) -> None:
    work = spread.score(QUESTIONS, split="train")
    next(work)
    next(work)
    work.close()
    for found, expected in zip(scored(spread, *QUESTIONS), scored(alone, *QUESTIONS), strict=True):
        check_same(found, expected)


def test_a_run_finds_what_it_finds_in_one_process(
    ray: Any, folder: Path, tmp_path: Path, few_images: tuple[str, str]
) -> None:
    states = []
    for name, shards in (("one", "vlm.shards=1"), ("two", "vlm.shards=2")):
        config = configured(folder, *SETTINGS, *few_images, shards)
        states.append(drive(LocalSession.create(config, tmp_path / name)))
    one, two = states
    assert two.status == "finished", two.error
    assert [(t.text, t.accuracy) for t in one.ranking] == [
        (t.text, t.accuracy) for t in two.ranking
    ]
    assert [t.hits for t in one.tests] == [t.hits for t in two.tests]


def test_other_images_or_models_are_refused(spread: EncoderDecoder) -> None:
    assert spread._shards is not None
    with pytest.raises(ModelError, match=r"vlm.shards = 2: .*another model or other images"):
        spread._shards.check(("fp32 0", "x", "y"))


def test_more_shards_than_the_cluster_has_room_for_are_refused(ray: Any, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"vlm.shards = 9: that takes 8 CPUs .* has 2; set it low"):
        loaded(folder, "vlm.shards=9")


def test_a_shard_that_is_lost_is_read_here(
    ray: Any, alone: EncoderDecoder, spread: EncoderDecoder, said: list[str]
) -> None:
    assert spread._shards is not None
    (reader,) = spread._shards._readers.values()
    os.kill(ray.get(reader.process.remote()), signal.SIGKILL)
    for found, expected in zip(scored(spread, *QUESTIONS), scored(alone, *QUESTIONS), strict=True):
        check_same(found, expected)
    assert any("a process that held a shard of the images was lost" in text for text in said)
    assert not spread._shards._readers
    scored(spread, "what else is shown?")  # and by this one alone from then on

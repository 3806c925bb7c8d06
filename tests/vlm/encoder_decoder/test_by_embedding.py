"""Questions scored by the class name nearest to the answer, and whole runs of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.common.cache_folder import answers_folder
from engine.common.errors import ModelError
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.data.images import read_image
from engine.run import events as ev
from engine.run.contract import ContractError, Expected, check_fitness
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.vlm.encoder_decoder import writing
from engine.vlm.encoder_decoder.by_embedding import SCALE, ByEmbedding
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.encoder_decoder.prediction import Predictions
from engine.vlm.loading import load_fitness
from engine.vlm.predictions import NO_CLASS
from tests.support.questions import configured, scored
from tests.support.small_runs import drive
from tests.support.tiny_embedder import save_random_embedder, save_tiny_embedder
from tests.support.tiny_llava import save_tiny_llava

QUESTION, OTHER = "what is shown?", "name the object"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Path:
    return save_random_embedder(folder.parent / "embedder", folder / "tokenizer.json")


@pytest.fixture
def embedding(folder: Path, embedder: Path, image_root: Path) -> Callable[..., RunConfig]:
    """A configuration on the small images; arguments: overrides, and other models."""

    def config(*overrides: str, model: Path = folder, by: Path = embedder) -> RunConfig:
        return configured(
            model,
            "data.dataset=image-folder",
            f"data.path={image_root}",
            "data.shots=3",
            "vlm.answer=embedding",
            f"vlm.embedder={by}",
            "vlm.max_new_tokens=6",
            *overrides,
        )

    return config


@pytest.fixture
def config(embedding: Callable[..., RunConfig]) -> RunConfig:
    return embedding()


def loaded(config: RunConfig, report: Any = lambda _: None) -> EncoderDecoder:
    made = load_fitness(config, lambda *_: None, report, Kept())
    assert isinstance(made, EncoderDecoder)
    return made


def refuse_to_write(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> list[int]:
    """No answer is written any more after so many calls; the sizes of the batches until then."""
    write, sizes = writing.write_answers, []

    def refuse(model: Any, prefixes: Sequence[Any], *rest: Any) -> Any:
        assert len(sizes) < after, "an answer is written"
        sizes.append(len(prefixes))
        return write(model, prefixes, *rest)

    monkeypatch.setattr(writing, "write_answers", refuse)
    return sizes


def test_a_score_is_that_of_answers_written_by_transformers_one_by_one(config: RunConfig) -> None:
    fitness = loaded(config)
    (score,) = scored(fitness, QUESTION)
    predictor = fitness._predictor
    assert isinstance(predictor, ByEmbedding)
    names = predictor._embedder.embed(fitness.class_names)
    hits, margins = 0, []
    found = fitness.predictions(QUESTION, "train")
    rows = zip(fitness.images("train"), found.answers, found.classes.tolist(), strict=True)
    for item, said, predicted in rows:
        image = read_image(fitness._dataset.images.file(item.path))
        inputs = fitness._questions.inputs(image, QUESTION)
        written = predictor._model.generate(**inputs, do_sample=False, max_new_tokens=6)
        answer = fitness._questions.text(written[0, inputs["input_ids"].shape[1] :].tolist())
        cosines = predictor._embedder.embed([answer])[0] @ names.T
        assert said == answer and predicted == int(cosines.argmax())
        hits += predicted == item.label
        margins.append(float((SCALE * cosines).log_softmax(-1)[item.label]))
    assert len(set(found.answers)) > 1
    assert (score.hits, score.n, score.unnamed) == (hits, len(margins), 0)
    assert score.margin == pytest.approx(sum(margins) / len(margins), abs=1e-4)


def test_no_answer_is_written_twice_in_a_run_nor_in_a_later_one(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitness = loaded(config)
    first = scored(fitness, QUESTION, OTHER)
    with monkeypatch.context() as patched:
        refuse_to_write(patched)
        assert scored(fitness, OTHER, QUESTION) == first[::-1]
    later = loaded(config)  # its check writes a few tokens
    read = []
    monkeypatch.setattr(later._prefixes, "of", read.append)
    refuse_to_write(monkeypatch)
    assert scored(later, QUESTION, OTHER) == first
    assert read == []  # nor is an image read again


def test_a_template_that_was_left_half_way_goes_on_where_it_was(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config.model_copy(update={"vlm": config.vlm.model_copy(update={"image_batch": 5})})
    whole = scored(loaded(config), QUESTION)
    for file in answer_files():
        file.unlink()
    killed = loaded(config)
    work = killed.score([QUESTION], split="train")
    while next(work).done < 10:  # two batches of images
        pass
    work.close()
    again = loaded(config)
    n = again.size("train")
    sizes = refuse_to_write(monkeypatch, after=99)
    assert scored(again, QUESTION) == whole
    assert sum(sizes) == n - 10


def answer_files() -> list[Path]:
    return list(answers_folder().iterdir())


def test_answers_are_kept_on_disk_only_where_that_is_wanted(embedding) -> None:
    scored(loaded(embedding("vlm.cache=false")), QUESTION)
    assert not answers_folder().exists()
    scored(loaded(embedding()), QUESTION)
    assert len(answer_files()) == 1
    scored(loaded(embedding("vlm.max_new_tokens=4")), QUESTION)
    assert len(answer_files()) == 2


def test_an_answer_without_text_is_wrong_and_counted(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitness = loaded(config)
    write = writing.write_answers
    monkeypatch.setattr(
        writing,
        "write_answers",
        lambda model, prefixes, *rest: [
            [] if i % 2 == 0 else tokens for i, tokens in enumerate(write(model, prefixes, *rest))
        ],
    )
    (score,) = scored(fitness, QUESTION)
    found = fitness.predictions(QUESTION, "train")
    classes, labels = found.classes.tolist(), [item.label for item in fitness.images("train")]
    silent = [answer == "" for answer in found.answers]
    assert score.unnamed == sum(silent) == (score.n + 1) // 2
    assert [number == NO_CLASS for number in classes] == silent
    assert score.hits == sum(map(int.__eq__, classes, labels))
    own = [float(found.log_probabilities[row, label]) for row, label in enumerate(labels)]
    assert score.margin == pytest.approx(sum(own) / score.n, abs=1e-2)


def test_an_answer_of_words_that_the_embedder_does_not_know_names_no_class(
    embedding, tmp_path: Path
) -> None:
    words = ["cat", "dog", "pet", "red", "_", "boat", "red_boat"]
    few = save_tiny_embedder(tmp_path / "few", words)
    (score,) = scored(loaded(embedding(by=few)), QUESTION)
    assert score.unnamed == score.n and score.hits == 0  # the tiny model writes no words
    most = save_tiny_embedder(tmp_path / "most", words[1:])
    with pytest.raises(ModelError, match=f"has nothing for the class name '{words[0]}'"):
        loaded(embedding(by=most))
    said: list[str] = []
    same = save_tiny_embedder(tmp_path / "same", words, {words[1]: [1.0]})
    loaded(embedding(by=same), said.append)
    assert any(f"can't tell '{words[0]}' from '{words[1]}'" in line for line in said)


def made(cosines: list[list[float]], named: list[bool], answer: str) -> Predictions:
    found = (SCALE * torch.tensor(cosines)).log_softmax(-1)
    return Predictions(found, torch.tensor(named), (answer,) * len(named))


def test_an_ensemble_is_the_mean_of_the_points_of_its_answers(config: RunConfig) -> None:
    fitness = loaded(config)
    scored(fitness, QUESTION, OTHER)
    predictor = fitness._predictor
    names = predictor._embedder.embed(fitness.class_names)
    one, two = (
        predictor._embedder.embed(fitness.predictions(q, "train").answers)
        for q in (QUESTION, OTHER)
    )
    nearest = (torch.nn.functional.normalize(one + two, dim=-1) @ names.T).argmax(-1)
    labels = torch.tensor([item.label for item in fitness.images("train")])
    work = fitness.score_ensemble([QUESTION, OTHER], split="train")
    try:
        while True:
            next(work)
    except StopIteration as done:
        assert done.value.hits == int((nearest == labels).sum())


def test_answers_without_text_have_no_say_in_an_ensemble(config: RunConfig) -> None:
    predictor = loaded(config)._predictor
    sure = made([[0.9, 0.1], [0.1, 0.9], [0.0, 0.0]], [True, True, False], "a")
    silent = made([[0.0, 0.0], [0.3, 0.2], [0.0, 0.0]], [False, True, False], "b")
    found = predictor.combine([sure, silent])
    assert found.classes.tolist() == [0, 1, -1]
    assert torch.allclose(found.log_probabilities[0], sure.log_probabilities[0])
    expected = (SCALE * torch.tensor([0.2, 0.55])).log_softmax(-1)
    assert torch.allclose(found.log_probabilities[1], expected, atol=1e-5)


def test_another_embedder_is_another_model_to_a_run(
    config: RunConfig, embedding, folder: Path, tmp_path: Path
) -> None:
    other = save_random_embedder(tmp_path / "other", folder / "tokenizer.json", seed=1)
    fitness, different = loaded(config), loaded(embedding(by=other))
    assert fitness.weights.split()[0] == different.weights.split()[0] == "fp32"
    assert fitness.weights != different.weights
    assert fitness.weights == loaded(config).weights
    assert loaded(configured(folder)).weights not in (fitness.weights, different.weights)


def test_a_reading_that_writes_other_tokens_than_a_plain_one_is_refused(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "write_answers", lambda *_: [[7, 7, 7], [7, 7, 7]])
    with pytest.raises(ModelError, match="answers written together are others than alone"):
        loaded(config)


def test_what_a_generation_configuration_asks_for_beside_is_said(
    embedding, folder: Path, tmp_path: Path
) -> None:
    asking = shutil.copytree(folder, tmp_path / "asking")
    own = json.loads((asking / "generation_config.json").read_text())
    own |= {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "eos_token_id": [1, 4]}
    (asking / "generation_config.json").write_text(json.dumps(own))
    said: list[str] = []
    fitness = loaded(embedding(model=asking), said.append)
    assert any("has no_repeat_ngram_size, which is left out" in line for line in said)
    how = fitness._predictor._how
    assert how.penalty == 1.2 and how.ends >= {1, 4} and how.most == 6
    tokenizer = fitness._questions._tokenizer
    assert tokenizer.convert_tokens_to_ids("<image>") in how.before


def test_a_run_comes_to_its_end_and_an_evaluation_writes_nothing_again(
    config: RunConfig,
    embedding: Callable[..., RunConfig],
    folder: Path,
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    events = read_journal(run_folder).events
    tests = [e for e in events if isinstance(e, ev.TestMeasured)]
    assert {t.subject for t in tests} == {"seed", "best", "ensemble"}
    fitness = loaded(config)
    best = next(t for t in tests if t.subject == "best")
    with monkeypatch.context() as patched:
        refuse_to_write(patched)
        (score,) = scored(fitness, best.templates[0], split="test")
    assert score.hits == best.hits
    # Nor can it go on with another embedder.
    models = next(e for e in events if isinstance(e, ev.ModelsLoaded))
    expected = Expected(models, "one", 1)
    check_fitness(expected, fitness)
    other = save_random_embedder(tmp_path / "other", folder / "tokenizer.json", seed=1)
    with pytest.raises(ContractError, match=r"the VLM is llava \(fp32 \w+\), and was.*embedder"):
        check_fitness(expected, loaded(embedding(by=other)))

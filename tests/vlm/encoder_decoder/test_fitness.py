"""Questions scored by the likelihood of class names, and a whole run of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.common.errors import ConfigError, ModelError
from engine.common.kept import Kept
from engine.data.images import read_image
from engine.prompts.template import RejectReason
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.storage.run_folder import PREDICTIONS
from engine.vlm.encoder_decoder.by_likelihood import ByLikelihood
from engine.vlm.encoder_decoder.fitness import EncoderDecoder
from engine.vlm.encoder_decoder.likelihood import one_by_one
from engine.vlm.families import with_seed_template
from engine.vlm.loading import load_fitness
from tests.support.questions import configured, scored
from tests.support.small_runs import drive
from tests.support.tiny_llava import save_tiny_llava

QUESTION = "what is shown?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")


@pytest.fixture(scope="module")
def fitness(folder: Path) -> EncoderDecoder:
    made = load_fitness(configured(folder), lambda *_: None, lambda _: None, Kept())
    assert isinstance(made, EncoderDecoder)
    return made


def test_a_score_counts_the_images_whose_most_likely_name_is_right(fitness) -> None:
    (score,) = scored(fitness, QUESTION)
    assert score.n == fitness.size("train") == len(fitness.class_names)
    names = fitness._questions.names(fitness.class_names)
    hits = [0] * len(names)
    for item in fitness._images["train"].items:
        image = read_image(fitness._dataset.root / item.path)
        inputs = fitness._questions.inputs(image, QUESTION)
        found = torch.tensor([one_by_one(fitness._prefixes._model, inputs, name) for name in names])
        hits[item.label] += int(found.argmax()) == item.label
    assert score.class_hits == tuple(hits) and score.hits == sum(hits)
    assert score.margin < 0


def test_scores_are_the_same_alone_among_others_and_after_a_break(fitness) -> None:
    both = scored(fitness, QUESTION, "name the object", QUESTION)
    assert both[0] == both[2] == scored(fitness, QUESTION)[0]
    work = fitness.score(["name the object"], split="train")
    assert next(work).done == 0  # behind the reading of images
    assert next(work).done > 0  # behind the question
    work.close()
    assert scored(fitness, "name the object")[0] == both[1]


def test_all_questions_of_a_call_are_asked_before_the_next_images_are_read(
    fitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    predict = fitness._predictor.predict

    def noted(images, prefixes, question):  # what is passed on
        asked.append((tuple(images), question.text))
        return predict(images, prefixes, question)

    monkeypatch.setattr(fitness._predictor, "predict", noted)
    monkeypatch.setattr(fitness._prefixes, "_batch", 5)
    first, second = "what is this called?", "what do you see?"
    work = fitness.score([first, second], split="train")
    for _ in range(5):  # behind the reading of images, two questions, the next images, and one
        next(work)
    work.close()
    (alone,) = scored(fitness, second)
    groups = [images for images, text in asked if text == first]
    assert [(images, text) for images, text in asked[:3]] == [
        (groups[0], first),
        (groups[0], second),
        (groups[1], first),
    ]
    read = [image for images, text in asked if text == second for image in images]
    assert len(read) == len(set(read)) == fitness.size("train")  # none twice after the break
    assert alone == scored(fitness, second)[0]


def test_what_was_made_of_each_image_can_be_asked_for(fitness) -> None:
    (score,) = scored(fitness, QUESTION)
    found = fitness.predictions(QUESTION, "train")
    labels = np.array([item.label for item in fitness.images("train")])
    assert (found.classes == labels).sum() == score.hits
    assert found.log_probabilities.shape == (score.n, len(fitness.class_names))
    own = found.log_probabilities[np.arange(score.n), labels].astype(float)
    assert own.mean() == pytest.approx(score.margin, abs=1e-2)
    assert found.looked_at.all() and found.answers == ()
    assert fitness.predictions("never asked?", "train") is None


def test_an_ensemble_of_one_is_its_question(fitness) -> None:
    work = fitness.score_ensemble([QUESTION, QUESTION], split="train")
    try:
        while True:
            next(work)
    except StopIteration as done:
        found = done.value
    (alone,) = scored(fitness, QUESTION)
    assert found.class_hits == alone.class_hits
    assert found.margin == pytest.approx(alone.margin, abs=1e-5)


@pytest.mark.parametrize("kind", ["per-token", "prior-corrected"])
def test_other_comparisons_are_offered(folder: Path, fitness, kind: str) -> None:
    config = configured(folder, f"vlm.likelihood={kind}")
    other = load_fitness(config, lambda *_: None, lambda _: None, Kept())
    (score,), (raw,) = scored(other, QUESTION), scored(fitness, QUESTION)
    assert score.n == raw.n and score.margin != raw.margin


def test_a_question_needs_no_placeholder_and_has_none(folder: Path) -> None:
    assert with_seed_template(configured(folder)).seed_template
    with pytest.raises(ConfigError, match="can't have the placeholder"):
        with_seed_template(configured(folder, "seed_template=is this a <category>?"))


def test_a_run_with_such_a_vlm_comes_to_its_end(
    folder: Path, image_root: Path, run_folder: Path
) -> None:
    config = configured(folder, "data.dataset=image-folder", f"data.path={image_root}")
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    assert state.seed.text == "what is shown in this picture?"
    tests = [e for e in read_journal(run_folder).events if isinstance(e, ev.TestMeasured)]
    assert {t.subject for t in tests} == {"seed", "best", "ensemble"}


def test_a_race_shows_a_question_each_image_once(
    folder: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, predict = [], ByLikelihood.predict

    def counted(self, images, prefixes, question):
        asked.extend((question.text, image) for image in images)
        return predict(self, images, prefixes, question)

    config = configured(folder, "search.racing=true", "data.shots=2", "steps=2", "seed=1")
    fitness = load_fitness(config, lambda *_: None, lambda _: None, Kept())
    monkeypatch.setattr(ByLikelihood, "predict", counted)
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    train = {image.path for image in fitness.images("train")}
    shown = [(text, image) for text, image in asked if image in train]
    assert len(shown) == len(set(shown)) == state.images_scored[0]
    kept = sorted((run_folder / PREDICTIONS).glob("train-*"))
    assert 0 < len(kept) <= 2 + config.steps  # one of each race, not one of each part


def test_a_question_that_is_too_long_is_said_before_and_refused(fitness, monkeypatch) -> None:
    context = fitness._questions.context
    assert context == 2048  # of the model's configuration
    short, long = QUESTION, "what is shown? " * 1000
    scored(fitness, short)
    assert fitness.check(short).reason is None
    assert fitness.check("name it " * 80).reason is None
    check = fitness.check(long)
    assert check.reason is RejectReason.TOO_LONG
    assert f"the VLM reads {context}" in check.sentence
    with pytest.raises(ModelError, match="are more than the 2048 that the VLM reads"):
        scored(fitness, long)

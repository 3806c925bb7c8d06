"""What a template made of each image: kept while there is room, handed to a store once."""

from __future__ import annotations

import numpy as np
import pytest

from engine.vlm.log_probabilities import kept_predictions, predictions_again
from engine.vlm.predictions import NO_CLASS, ImagePredictions, KeptPredictions
from tests.support.generators import finished

SEED, OTHER = "a photo of a <category>.", "a dark <category>."


def made(*classes: int, of: int = 3, answers: tuple[str | None, ...] = ()) -> ImagePredictions:
    """Images with these classes, each at a probability of one half."""
    found = np.full((len(classes), of), np.log(0.5 / (of - 1)))
    for row, number in enumerate(classes):
        if number != NO_CLASS:
            found[row, number] = np.log(0.5)
    return ImagePredictions.of(found, classes, answers)


class Shelf:
    """A store that remembers what it was handed."""

    def __init__(self) -> None:
        self.handed: list[list[str]] = []
        self.found: dict[str, ImagePredictions] = {}

    def read(self, template, split):
        return self.found.get(template)

    def keep(self, split, found):
        self.handed.append(list(found))
        self.found |= found


def test_what_float16_cannot_hold_is_its_end_and_what_was_not_looked_at_stays_so() -> None:
    found = ImagePredictions.of([[-1e9, -0.5], [np.nan, np.nan]], [1, NO_CLASS])
    assert np.isfinite(found.log_probabilities[0]).all()
    assert found.looked_at.tolist() == [True, False]
    assert made(0, answers=(None,)).answers == ()


def test_the_oldest_predictions_go_where_there_is_no_room() -> None:
    kept = KeptPredictions(room=2 * made(0, 1).nbytes)
    for template in ("a", "b", "a", "c"):
        kept.put(template, "train", made(0, NO_CLASS))
    assert kept.of("b", "train") is None and kept.of("a", "test") is None
    assert kept.of("a", "train").classes.tolist() == [0, NO_CLASS]
    assert not KeptPredictions(room=1).takes(1, 1)


def test_a_store_is_handed_what_was_scored_together_and_asked_for_what_is_gone() -> None:
    kept, shelf = KeptPredictions(room=made(0).nbytes), Shelf()
    kept.put("before", "train", made(0))
    kept.store = shelf
    kept.settle()
    assert shelf.handed == []  # it is the store of what comes from now on
    kept.put("a", "train", made(0))
    kept.settle()
    kept.settle()
    with kept.without_store():
        kept.put("no part of the run", "train", made(0))
        kept.settle()
    assert shelf.handed == [["a"]]
    assert kept.of("a", "train") is shelf.found["a"]


def test_a_dual_encoder_says_what_it_made_of_each_image(demo_models) -> None:
    fitness = demo_models("data.shots=2").fitness
    first, second = finished(fitness.score([SEED, OTHER], split="train"))
    labels = np.array([image.label for image in fitness.images("train")])
    for template, score in ((SEED, first), (OTHER, second)):
        found = fitness.predictions(template, "train")
        assert (found.classes == labels).sum() == score.hits
        own = found.log_probabilities[np.arange(score.n), labels].astype(float)
        assert own.mean() == pytest.approx(score.margin, abs=5e-3)
        assert np.exp(own).mean() == pytest.approx(score.probability, abs=2e-3)
    assert all((fitness.dataset_root / image.path).is_file() for image in fitness.images("train"))
    assert fitness.predictions("a never scored <category>.", "train") is None


def test_what_is_not_kept_of_all_images_is_scored_again(demo_models) -> None:
    fitness = demo_models("data.shots=2").fitness
    new, some = "an old painting of a <category>.", "a small <category>."
    finished(fitness.score([SEED], split="train"))
    rows = [0, 1]
    half = fitness.predictions(SEED, "train")
    shown = ImagePredictions.of(half.log_probabilities[rows], half.classes[rows])
    fitness.kept.put(some, "train", shown.placed(rows, fitness.size("train")))
    known = dict(kept_predictions(fitness, [SEED, new, some]))
    assert known == {SEED: half, new: None, some: None}
    again = finished(predictions_again(fitness, [new, some]))
    assert list(again) == [new, some]
    for found in again.values():
        assert found.log_probabilities.shape == half.log_probabilities.shape
        assert np.exp(found.log_probabilities.astype(float)).sum(-1) == pytest.approx(1, abs=0.01)
    assert (again[new].log_probabilities != half.log_probabilities).any()


def test_what_there_is_no_room_for_is_not_kept_when_it_is_scored_again(demo_models) -> None:
    fitness = demo_models("data.shots=2").fitness
    fitness.kept._room = 1
    assert finished(predictions_again(fitness, ["a lone <category>."])) == {}

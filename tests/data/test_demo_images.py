"""The demo's images and data sets: deterministic, ambiguous where they should be, well-formed."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.data.demo_world.images import apparent_step, draw, task_image, write_dataset
from engine.data.demo_world.vocabulary import CLASSES, DEFAULT_TASK, FACTORS, TASKS
from engine.data.readers.image_folder import read_image_folder

COMMON = {name: factor.common for name, factor in FACTORS.items()}


def test_the_same_seed_draws_the_same_image() -> None:
    for name in CLASSES:
        first, second = (draw(name, COMMON, np.random.default_rng(3)) for _ in range(2))
        assert np.array_equal(first, second)
        assert first.shape == (32, 32, 3)
        assert first.dtype == np.uint8


def test_images_of_a_class_differ_and_so_do_the_splits() -> None:
    images = {
        task_image(DEFAULT_TASK, "cup", split, i).tobytes()
        for split in ("train", "test")
        for i in range(20)
    }
    assert len(images) == 40


def test_every_value_of_every_factor_can_be_drawn_and_the_visible_ones_show() -> None:
    for name, factor in FACTORS.items():
        drawn = [
            draw("cup", COMMON | {name: value}, np.random.default_rng(0)) for value in factor.values
        ]
        if not factor.hidden:
            assert len({image.tobytes() for image in drawn}) == len(drawn), name


@pytest.mark.parametrize(
    ("one", "factors", "other"),
    [
        ("cup", {"view": "inverted"}, "bell"),
        ("apple", {"light": "blue"}, "blueberry"),
        ("lemon", {"light": "negative"}, "blueberry"),
        ("flag", {"mirror": "mirrored"}, "axe"),
    ],
)
def test_a_hidden_factor_makes_one_class_look_like_another(
    one: str, factors: dict[str, str], other: str
) -> None:
    assert apparent_step(one, COMMON | factors) == apparent_step(other, COMMON)
    # Averaged over the small variations, the two are the same picture.
    first, second = (
        np.mean([draw(c, f, np.random.default_rng(i)) for i in range(60)], axis=0)
        for c, f in ((one, COMMON | factors), (other, COMMON))
    )
    third = np.mean([draw(one, COMMON, np.random.default_rng(i)) for i in range(60)], axis=0)
    assert np.abs(first - second).mean() < 0.35 * np.abs(first - third).mean()


def test_a_data_set_is_a_well_formed_image_folder(tmp_path: Path) -> None:
    root = write_dataset(DEFAULT_TASK, tmp_path / "set", train_per_class=3, test_per_class=4)
    task = TASKS[DEFAULT_TASK]
    settings = tomllib.loads((root / "dataset.toml").read_text())
    assert settings["name"] == task.name
    assert settings["description"] == task.description
    assert set(settings["classes"].values()) == set(task.classes)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    dataset = read_image_folder(root)
    assert set(dataset.class_names) == set(task.classes)
    assert (len(dataset.train), len(dataset.test)) == (3 * len(task.classes), 4 * len(task.classes))
    assert not dataset.problems
    with Image.open(root / "train" / "cup" / "002.png") as image:
        assert np.array_equal(np.asarray(image), task_image(DEFAULT_TASK, "cup", "train", 2))


def test_a_data_set_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "set"
    taken.mkdir()
    (taken / "mine.txt").write_text("keep")
    with pytest.raises(OSError):
        write_dataset(DEFAULT_TASK, taken, train_per_class=1, test_per_class=1)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert (taken / "mine.txt").read_text() == "keep"

"""Four options an image: from a file as FOCI's, or drawn."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import DataError
from engine.data.dataset import Dataset, LabelledImage
from engine.data.options import WrongOptions, drawn_options, find_options

NAMES = ("beagle", "basset hound", "boxer", "pug", "Egyptian Mau")


def dataset(train: dict[str, int], test: dict[str, int], names=NAMES) -> Dataset:
    items = [tuple(LabelledImage(*item) for item in split.items()) for split in (train, test)]
    return Dataset("pets", "", tuple(names), Path("/nowhere"), *items)


PETS = dataset(
    {"train/beagle/1.jpg": 0, "train/pug/1.jpg": 3}, {"test/beagle/1.jpg": 0, "test/pug/2.jpg": 3}
)


def entry(image: str, *options: str) -> dict:
    return {"image": image, "options": list(options), "groundtruth": options[0]}


BEAGLE = ("beagle", "basset_hound", "Boxer", "pug")


def write(folder: Path, content: object) -> str:
    file = folder / "options.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def test_options_without_a_file_depend_on_the_image_alone() -> None:
    found = find_options(PETS, None, 0.5)
    assert (found.dataset.train, found.dataset.test) == (PETS.train, PETS.test)
    assert found.dataset.fingerprint() != PETS.fingerprint()
    more = dataset({"train/pug/1.jpg": 3, "other.jpg": 1}, {"test/x.jpg": 2})
    again = find_options(more, None, 0.1)
    assert found.of(PETS.train[1]) == again.of(more.train[0])


@given(st.text(min_size=1, max_size=20), st.integers(4, 40), st.data())
def test_drawn_options_are_three_other_classes(path: str, classes: int, data) -> None:
    label = data.draw(st.integers(0, classes - 1))
    drawn = drawn_options(LabelledImage(path, label), classes)
    assert len({*drawn, label}) == 4 and all(0 <= option < classes for option in drawn)


def test_all_wrong_classes_are_drawn_about_equally_often() -> None:
    drawn = Counter(o for i in range(3000) for o in drawn_options(LabelledImage(f"{i}", 2), 7))
    assert set(drawn) == {0, 1, 3, 4, 5, 6}
    assert all(abs(count - 1500) < 150 for count in drawn.values())


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.randoms())
def test_every_letter_is_right_equally_often_over_all_and_in_each_class(labels, random) -> None:
    images = [LabelledImage(f"{i}.jpg", label) for i, label in enumerate(labels)]
    wrong = WrongOptions(dataset({}, {}))
    options = wrong.in_order(images).by_image
    before = wrong.in_order(images).fingerprint()
    random.shuffle(images)
    assert wrong.in_order(images).by_image == options
    assert wrong.in_order(images).fingerprint() == before
    for some in (images, *([i for i in images if i.label == label] for label in range(5))):
        letters = Counter(options[i.path].index(i.label) for i in some)
        counts = [letters[letter] for letter in range(4)]
        assert max(counts) - min(counts) <= 1
    for image in images:
        assert set(options[image.path]) == {image.label, *wrong.of(image)}


def test_the_order_of_the_wrong_ones_is_not_the_files(tmp_path: Path) -> None:
    images = {f"test/beagle/{i}.jpg": 0 for i in range(200)}
    content = {"beagle": [entry(path, *BEAGLE) for path in images]}
    found = find_options(dataset({}, images), write(tmp_path, content), 0.5)
    options = found.in_order(found.dataset.test).by_image
    orders = Counter(tuple(o for o in options[i.path] if o) for i in found.dataset.test)
    assert len(orders) == 6


def test_a_file_as_focis_is_read(tmp_path: Path) -> None:
    content = {
        "beagle": [
            entry("images/test/beagle/1.jpg", *BEAGLE),
            entry("train/beagle/1.jpg", "beagle", "pug", "boxer", "Mau Egyptian"),
            entry("nowhere.jpg", *BEAGLE),
        ],
        "pug": [entry("/absolute/pug/2.jpg", "pug", "boxer", "beagle", "egyptian-mau")],
    }
    found = find_options(PETS, write(tmp_path, content), 0.5)
    assert found.listed == {
        "test/beagle/1.jpg": (1, 2, 3),
        "train/beagle/1.jpg": (3, 2, 4),
        "test/pug/2.jpg": (2, 0, 4),
    }
    assert [image.path for image in found.dataset.train] == ["train/beagle/1.jpg"]
    assert found.dataset.test == PETS.test
    other = write(tmp_path, {**content, "pug": [entry("pug/2.jpg", "pug", *BEAGLE[:3])]})
    assert find_options(PETS, other, 0.5).dataset.fingerprint() != found.dataset.fingerprint()
    assert found.dataset.problems == (
        "1 entry of options.json of no image here",
        "1 image without options in options.json: left out",
    )


def test_where_only_test_images_have_options_the_shots_come_out_of_them(tmp_path: Path) -> None:
    images = {f"test/beagle/{i}.jpg": 0 for i in range(2, 12)}
    pets = dataset({"train/beagle/1.jpg": 0}, images)
    content = {"beagle": [entry(path, *BEAGLE) for path in images]}
    found = find_options(pets, write(tmp_path, content), 0.8).dataset
    assert (len(found.train), len(found.test)) == (2, 8)
    assert not set(found.train) & set(found.test)
    assert "the shots come out of these" in found.problems[-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no valid JSON"),
        ("[" * 100_000, "no valid JSON"),
        ([], "no list of options"),
        ({"beagle": 3}, "no list of options"),
        ({"beagle": [3]}, "entry 1 of 'beagle' is 3; it should be an object"),
        ({"beagle": [{"options": []}]}, "image is None"),
        ({"beagle": [{"image": "a", "options": "b"}]}, "options is 'b'"),
        ({"beagle": [{"image": "a", "groundtruth": 1, "options": []}]}, "groundtruth is 1"),
        ({"beagle": [entry("1.jpg", *BEAGLE[:3])]}, "four different classes"),
        ({"beagle": [entry("1.jpg", *BEAGLE[:3], "boxer")]}, "four different classes"),
        ({"pug": [{**entry("1.jpg", *BEAGLE), "groundtruth": "Mau"}]}, "four different classes"),
        ({"beagle": [entry("1.jpg", *BEAGLE[:3], "wolf")]}, "of no class of the data set: 'wolf'"),
        ({"beagle": [entry("9.jpg", *BEAGLE)]}, "none of its 1 entry is of a test image"),
        ({"beagle": [entry("1.jpg", *BEAGLE)]}, "'1.jpg' is 'train/beagle/1.jpg' or"),
        (
            {"pug": [entry("2.jpg", "pug", *BEAGLE[:2], last) for last in NAMES[2::2]]},
            "there twice, with other options",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        find_options(PETS, write(tmp_path, content), 0.5)
    assert "options.json" in str(error.value)


def test_where_no_image_is_left_to_be_tested_on_it_is_said(tmp_path: Path) -> None:
    file = write(tmp_path, {"beagle": [entry("test/beagle/1.jpg", *BEAGLE)]})
    with pytest.raises(DataError, match="none is left to be tested on"):
        find_options(PETS, file, 0.5)


def test_a_file_that_is_not_there_and_data_sets_that_are_too_small_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"can't be read \(data.options\)"):
        find_options(PETS, str(tmp_path / "none.json"), 0.5)
    with pytest.raises(DataError, match="it needs at least four"):
        find_options(dataset({}, {}, names=("a", "b", "c")), None, 0.5)


def test_classes_that_differ_in_signs_or_case_only_are_told_apart(tmp_path: Path) -> None:
    names = ("C", "C++", "→", "←", "Java", "java")
    pair = dataset({"x/1.jpg": 1, "y/1.jpg": 3}, {"x/2.jpg": 1, "y/2.jpg": 3, "z/2.jpg": 5}, names)
    rows = [("x/1.jpg", 1), ("x/2.jpg", 1), ("y/1.jpg", 3), ("y/2.jpg", 3), ("z/2.jpg", 5)]
    wrong = {1: ("C", "→", "java"), 3: ("→", "C++", "Java"), 5: ("Java", "C", "←")}
    content = {"all": [entry(image, names[label], *wrong[label]) for image, label in rows]}
    found = find_options(pair, write(tmp_path, content), 0.5)
    of = {image.path: found.of(image) for image in (*found.dataset.train, *found.dataset.test)}
    assert of == {image: tuple(names.index(n) for n in wrong[label]) for image, label in rows}


def test_a_spelling_that_two_classes_could_have_is_of_none(tmp_path: Path) -> None:
    pair = dataset({"1.jpg": 0}, {"2.jpg": 1}, ("C#", "C++", "dog", "cat", "cow"))
    content = {"c": [entry("2.jpg", "c", "dog", "cat", "cow")]}
    with pytest.raises(DataError, match="1 option of no class of the data set: 'c'"):
        find_options(pair, write(tmp_path, content), 0.5)

"""Class names from folders' names, and what is said of those that are no words."""

from __future__ import annotations

import os

import pytest

from engine.common.errors import DataError
from engine.common.names import some_names
from engine.config import DataConfig
from engine.data.readers.class_names import class_names, cleaned, remarks
from engine.data.readers.image_folder import read_image_folder
from engine.data.registry import load_dataset
from tests.support.folders import CLASSES, classes, make


def said(*folders: str) -> str:
    return "\n".join(remarks(folders, class_names(folders, {}, False), {}))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("AnnualCrop", "annual crop"),
        ("jetSki", "jet ski"),
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("n02085620-Chihuahua", "Chihuahua"),
        ("n01440764_tench", "tench"),
        ("12_cat", "cat"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("apple%20pie", "apple pie"),
        ("apple+pie", "apple pie"),
        ("golden_retriever", "golden retriever"),
        # What may be meant stays as it is.
        *((name, name) for name in ("McDonald", "MITcoast", "iPhone", "C++", "T-shirt", "10%ABV")),
        *((name, name) for name in ("3D printer", "4x4", "BMW 3 Series", "2012 BMW M3", "001")),
    ],
)
def test_cleaned(folder, name):
    assert cleaned(folder) == name
    assert cleaned(name) == name


def test_numbers_in_front_go_only_where_they_are_a_scheme():
    assert class_names(["8_ball", "cue", "rack"], {}, True) == ["8 ball", "cue", "rack"]
    assert class_names(["1_ball", "2_cue", "rack"], {}, True) == ["ball", "cue", "rack"]


def test_without_clean_names_only_underscores_are_spaces():
    folders = ["AnnualCrop", "001.Black_footed", "a &amp; b"]
    assert class_names(folders, {}, False) == ["AnnualCrop", "001.Black footed", "a &amp; b"]


def test_names_that_are_no_words_are_said_with_the_key_that_mends_them():
    assert said("n01440764", "n01443537") == (
        "2 of 2 class names are not made of words ('n01440764', 'n01443537'); where they stand "
        'for something, say in dataset.toml what they are, under [classes]: n01440764 = "..."'
    )
    assert "under [classes]: 0 =" in said("0", "1", "cat")
    assert "3 of 3" in said("c0", "c1", "c2")
    assert said("A320", "Boeing 737", "Cessna", "737-400") == ""
    assert "reads 'AnnualCrop' as 'annual crop'" in said("AnnualCrop", "Forest")
    assert "data.clean_names = true" in said("001.Black_footed", "002.Laysan")
    assert "as 'Tom & Jerry'" in said("Tom &amp; Jerry", "cat")
    assert said("golden_retriever", "T-shirt", "caf\u00e9", "8 ball") == ""


def test_the_key_cleans_names_and_names_that_are_given_stay(tmp_path):
    classes(tmp_path, names=("AnnualCrop", "SeaLake", "n01"))
    (tmp_path / "dataset.toml").write_text('[classes]\nSeaLake = "SeaLake"\nn01 = "tench"')
    plain = load_dataset(DataConfig(path=str(tmp_path)))
    assert plain.class_names == ("AnnualCrop", "tench", "SeaLake")
    assert len(plain.problems) == 1
    mended = load_dataset(DataConfig(path=str(tmp_path), clean_names=True))
    assert mended.class_names == ("annual crop", "tench", "SeaLake")
    assert mended.problems == ()


def test_names_that_clean_to_the_same_name(tmp_path):
    classes(tmp_path, names=("1_cat", "2_cat", "3_dog"))
    assert len(read_image_folder(tmp_path).class_names) == 3
    with pytest.raises(DataError, match="'1_cat', '2_cat' have the class name 'cat' with data"):
        read_image_folder(tmp_path, clean_names=True)


def test_composed_and_decomposed_spellings_are_one_name(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    classes(tmp_path / "a", "train/", (composed, "tea"))
    classes(tmp_path / "a", "test/", (decomposed, "tea"))
    dataset = read_image_folder(tmp_path / "a")
    assert dataset.class_names == (composed, "tea")
    for name in ("b", "c"):
        spelling = composed if name == "b" else decomposed
        classes(classes(tmp_path / name, "train/", (spelling, "tea")), "test/", (spelling, "tea"))
        (tmp_path / name / "dataset.toml").write_text(f'[classes]\n"{decomposed}" = "coffee"')
    first, second = (read_image_folder(tmp_path / name) for name in ("b", "c"))
    assert first.class_names == second.class_names == ("coffee", "tea")
    assert first.fingerprint() == second.fingerprint()
    with pytest.raises(DataError, match="NFC and NFD"):
        read_image_folder(classes(tmp_path / "d", names=(composed, decomposed)))


def test_bytes_that_are_no_utf8(tmp_path):
    bad = b"caf\xe9"
    try:
        make(tmp_path, *(bad + f"/{i}.png".encode() for i in range(4)))
    except OSError:
        pytest.skip("this file system allows Unicode names only")
    classes(tmp_path, names=CLASSES[1:])
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == (r"caf\xe9", "cat", "dog")
    (problem,) = dataset.problems
    assert r"""'caf\xe9' = "...""" in problem
    (tmp_path / "dataset.toml").write_text(r"classes = {'caf\xe9' = 'coffee'}")
    named = read_image_folder(tmp_path)
    assert named.class_names[0] == "coffee"
    assert named.problems == ()
    assert (tmp_path / named.train[0].path).is_file()
    (tmp_path / os.fsdecode(bad) / "0.png").chmod(0o600)
    assert named.fingerprint()


def test_what_can_not_be_seen_is_not_in_a_class_name():
    folders = ("ca\x1b[31mt", "d\u202eog", "bird\u200b", "\ufeffcow", "a\tb", "می\u200cخواهم")
    assert class_names(folders, {}, False) == [
        "ca[31mt",
        "dog",
        "bird",
        "cow",
        "a b",
        "می\u200cخواهم",
    ]


def test_names_that_look_the_same_are_no_two_classes(tmp_path):
    make(tmp_path, *(f"{name}/{i}.png" for name in ("cat", "cat\u200b") for i in range(3)))
    with pytest.raises(DataError, match=r"'cat', 'cat\\u200b' have the class name 'cat'"):
        read_image_folder(tmp_path)


def test_names_in_messages_are_read_as_they_are_typed():
    assert some_names([os.fsdecode(b"caf\xe9"), "C:\\data", "it's", "a\nb"]) == (
        r"""'caf\xe9', 'C:\data', "it's", 'a\nb'"""
    )

"""Every data set of the catalogue is read from a miniature of its layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.common.errors import ConfigError, DataError
from engine.config import DataConfig
from engine.data.catalogue.class_list import class_key, class_list, source_of
from engine.data.catalogue.table import CATALOGUE, catalogue
from engine.data.images import read_image
from engine.data.readers.coop_split import split_digest
from engine.data.readers.listed import classes_of
from engine.data.registry import load_dataset
from tests.support import miniatures
from tests.support.miniatures import LABELS, put

NAMES = [entry.name for entry in CATALOGUE]
PAPER = {
    *("ImageNet", "ImageNetV2", "Caltech101", "ImageNet-R", "ImageNet-Sketch", "ImageNet-A"),
    *("Oxford Flowers", "Oxford Pets", "Stanford Cars", "DTD", "Food-101", "FGVC Aircraft"),
    *("SUN397", "UCF101", "RESISC45", "EuroSAT"),
}


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GLOV_DATA_DIR", str(tmp_path / "data"))


def load(name: str, **more: object):
    return load_dataset(DataConfig(dataset=name, **more))


def test_the_catalogue_has_the_papers_sets_and_focis():
    assert {entry.table for entry in CATALOGUE if entry.table} == PAPER
    assert {entry.title for entry in CATALOGUE if entry.foci} == {
        *("FGVC Aircraft", "Oxford Pets", "Oxford Flowers", "Food-101")
    }
    assert {"cifar10", "cifar100", "cub-200"} < set(NAMES)


COUNTS = {"imagenet": 1000, "imagenet-v2": 1000, "imagenet-sketch": 1000, "imagenet-a": 200}
COUNTS |= {"imagenet-r": 200, "caltech101": 100, "oxford-flowers": 102, "oxford-pets": 37}
COUNTS |= {"stanford-cars": 196, "dtd": 47, "food-101": 101, "fgvc-aircraft": 100, "sun397": 397}
COUNTS |= {"ucf101": 101, "resisc45": 45, "eurosat": 10, "cifar10": 10, "cifar100": 100}
COUNTS |= {"cub-200": 200}


@pytest.mark.parametrize("name", NAMES)
def test_class_names(name):
    entry = catalogue()[name]
    classes = classes_of(entry)
    assert len(classes.names) == len(set(map(class_key, classes.names))) == COUNTS[name]
    for label, row in enumerate(classes.rows):
        assert {classes.label(other) for other in row} == {label}
        assert all(other.isprintable() and other == other.strip() for other in row)
        assert classes.label(row[0].upper().replace(" ", "_")) == label
    assert classes.label("no such class") is None
    assert source_of(entry.classes)
    assert entry.description.endswith(".") and entry.title not in entry.description


@pytest.mark.parametrize("name", NAMES)
def test_a_miniature_is_read(name, tmp_path):
    folder = miniatures.write(name, tmp_path / "data")
    dataset = load(name)
    assert dataset.name == catalogue()[name].title and dataset.description
    assert dataset.class_names == classes_of(catalogue()[name]).names
    tests, trains = list(dataset.test), list(dataset.train)
    assert {item.label for item in tests} >= set(LABELS) <= {item.label for item in trains}
    assert not {item.path for item in tests} & {item.path for item in trains}
    ids = class_list("imagenet").names
    for item in (*trains, *tests):
        size, changed = dataset.images.stamp(item.path)
        assert size > 0 and changed > 0
        pixels = read_image(dataset.images.file(item.path))
        shown = miniatures.label_of(pixels)
        if item.path.startswith("train/n"):  # a variant's training images are ImageNet's
            assert ids[shown] == dataset.class_names[item.label]
        else:
            assert shown == item.label
    again = load(name)
    assert again.fingerprint() == dataset.fingerprint() and list(again.test) == tests
    if catalogue()[name].trained_on:  # ImageNet is looked for beside it
        assert load(name, path=str(tmp_path / "data")).fingerprint() == dataset.fingerprint()
    else:
        own = load(name, path=str(folder))
        assert own.fingerprint() == dataset.fingerprint()


def test_a_variant_labels_the_images_that_imagenet_does(tmp_path):
    miniatures.write("imagenet-sketch", tmp_path / "data")
    original, variant = load("imagenet"), load("imagenet-sketch")
    assert list(original.train) == list(variant.train)
    assert list(original.test) != list(variant.test)


def test_what_is_not_there_is_said_with_the_way_to_it(tmp_path):
    with pytest.raises(DataError, match="Oxford Pets is not there; looked for oxford_pets/images"):
        load("oxford-pets")
    with pytest.raises(DataError, match="`glov datasets oxford-pets` says how to get it"):
        load("oxford-pets", source="folder")
    with pytest.raises(DataError, match="not there as webdataset"):
        load("imagenet-a", source="webdataset")
    with pytest.raises(ConfigError, match="data.source is hub, which is for the known data sets"):
        load("demo-shapes" if "demo-shapes" in NAMES else "image-folder", path="x", source="hub")
    entry = catalogue()["imagenet-r"]
    miniatures.variant(entry, tmp_path / "data" / entry.layout.folder)
    with pytest.raises(DataError, match="found on images of ImageNet, which belongs there"):
        load("imagenet-r")


def test_the_split_digest_is_that_of_content(tmp_path):
    entry = catalogue()["oxford-pets"]
    folder = miniatures.write("oxford-pets", tmp_path / "data")
    (problem,) = [p for p in load("oxford-pets").problems if "is not CoOp's split" in p]
    assert problem.startswith("split_zhou_OxfordPets.json")
    from engine.data.readers.coop_split import read_split

    file = folder / entry.layout.split
    split = read_split(file, classes_of(entry))
    content = json.loads(file.read_text())
    as_proapo = {s: {p: n.replace("_", " ") for p, _, n in rows} for s, rows in content.items()}
    file.unlink()
    other = put(folder / "split.json", json.dumps(as_proapo))
    assert split_digest(read_split(other, classes_of(entry))) == split_digest(split)
    assert len(load("oxford-pets").test) == 3
    split["test"].pop()
    assert split_digest(split) != split_digest(read_split(other, classes_of(entry)))


def coop_with(tmp_path: Path, content: object) -> Path:
    folder = miniatures.write("oxford-pets", tmp_path / "data")
    text = content if isinstance(content, str) else json.dumps(content)
    return put(folder / "split_zhou_OxfordPets.json", text)


ROW = ["Abyssinian/0.jpg", 0, "abyssinian"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no valid JSON"),
        ("[" * 100_000, "is no valid JSON"),
        ('{"train": [], "test": [], "a": "\\ud800"}', "train has no images"),
        ([], "is no split file"),
        ({"train": [ROW]}, "is no split file"),
        ({"train": [ROW], "test": {}}, "test has no images"),
        ({"train": [ROW], "test": [["x.jpg", 0]]}, r"test, number 1 is \['x.jpg', 0\]"),
        ({"train": [ROW], "test": [["x.jpg", True, "abyssinian"]]}, "number 1 is"),
        ({"train": [ROW], "test": [["x.jpg", 1, "abyssinian"]]}, "has the label 1; it should be 0"),
        ({"train": [ROW], "test": [["x.jpg", 0, "zebra"]]}, "there is no class 'zebra'"),
        ({"train": [ROW], "test": [["x.jpg", 0, "ze\x1b[31m"]]}, r"'ze\\x1b\[31m'"),
        ({"train": [ROW], "test": [["../../etc/passwd", 0, "abyssinian"]]}, "no path below"),
        ({"train": [ROW], "test": [["/etc/passwd", 0, "abyssinian"]]}, "no path below"),
        ({"train": [ROW], "test": [["a\0b", 0, "abyssinian"]]}, "no path below"),
        ({"train": [ROW], "test": [["\ud800", 0, "abyssinian"]]}, "is no name of a file"),
        ({"train": [ROW], "test": [["", 0, "abyssinian"]]}, "'' is no name of a file"),
        ({"train": [ROW], "test": [ROW]}, "'Abyssinian/0.jpg' more than once"),
        ({"train": [ROW], "test": [["gone.jpg", 0, "abyssinian"]]}, "none of the 1 test images"),
    ],
)
def test_a_split_file_that_is_wrong_is_refused_in_words(tmp_path, content, said):
    coop_with(tmp_path, content)
    with pytest.raises(DataError, match=said) as caught:
        load("oxford-pets")
    assert "\x1b" not in str(caught.value) and "Traceback" not in str(caught.value)


def test_images_that_are_missing_are_left_out_and_said(tmp_path):
    folder = miniatures.write("oxford-pets", tmp_path / "data")
    content = json.loads((folder / "split_zhou_OxfordPets.json").read_text())
    (folder / "images" / content["test"][0][0]).unlink()
    dataset = load("oxford-pets")
    assert len(dataset.test) == 2
    assert any("1 of 3 test images are not there (Abyssinian/3.jpg)" in p for p in dataset.problems)
    (folder / "split_zhou_OxfordPets.json").unlink()
    with pytest.raises(DataError, match="split_zhou_OxfordPets.json is not there"):
        load("oxford-pets")
    (folder / "split_zhou_OxfordPets.json").symlink_to("split_zhou_OxfordPets.json")
    with pytest.raises(DataError, match="split_zhou_OxfordPets.json is not there"):
        load("oxford-pets")


def test_lists_that_are_wrong_are_refused_in_words(tmp_path):
    folder = miniatures.write("fgvc-aircraft", tmp_path / "data")
    listed = folder / "images_variant_test.txt"
    whole = listed.read_text()
    put(listed, "0000003 Zeppelin\n")
    with pytest.raises(DataError, match="line 1: there is no class 'Zeppelin'"):
        load("fgvc-aircraft")
    put(listed, "")
    with pytest.raises(DataError, match="images_variant_test.txt: is empty"):
        load("fgvc-aircraft")
    put(listed, b"\xff\xfe")
    with pytest.raises(DataError, match="is no text in UTF-8"):
        load("fgvc-aircraft")
    put(listed, whole)
    variants = (folder / "variants.txt").read_text().splitlines()
    put(folder / "variants.txt", "\n".join(variants[::-1]))
    with pytest.raises(DataError, match="not the 100 of FGVC Aircraft in their order"):
        load("fgvc-aircraft")

    birds = miniatures.write("cub-200", tmp_path / "data")
    put(birds / "image_class_labels.txt", "1 7\n")
    with pytest.raises(DataError, match="has class '7' for it"):
        load("cub-200")
    put(birds / "image_class_labels.txt", "1 7\n1 8\n")
    with pytest.raises(DataError, match="line 2: '1' comes twice"):
        load("cub-200")


def test_resisc_is_split_here_where_no_list_says_how(tmp_path):
    folder = miniatures.write("resisc45", tmp_path / "data")
    listed = load("resisc45")
    for split in ("train", "test"):
        (folder / f"resisc45-{split}.txt").unlink()
    with pytest.raises(DataError, match="there is no folder airport in it"):
        load("resisc45")
    for name in classes_of(catalogue()["resisc45"]).names:
        own = name.replace(" ", "_")
        for number in range(5):
            put(folder / "NWPU-RESISC45" / own / f"{own}_{number + 1:03d}.jpg", b"x")
    here = load("resisc45")
    assert (len(here.train), len(here.test)) == (45 * 3, 45 * 2)
    assert any("split here, 40% for testing" in problem for problem in here.problems)
    assert here.fingerprint() != listed.fingerprint()
    own_split = {"train": [], "test": []}
    for label, name in ((0, "airplane"), (2, "baseball_diamond")):
        own_split["train"].append([f"{name}/{name}_001.jpg", label, name])
        own_split["test"].append([f"{name}/{name}_002.jpg", label, name])
    put(folder / "resisc45_split.json", json.dumps(own_split))
    assert len(load("resisc45").test) == 2


def test_cifar_files_that_are_wrong(tmp_path):
    folder = miniatures.write("cifar10", tmp_path / "data")
    batch = folder / "test_batch.bin"
    whole = batch.read_bytes()
    put(batch, whole[:-1])
    with pytest.raises(DataError, match="9,218 bytes, which are no whole records of 3073"):
        load("cifar10")
    put(batch, b"\x0a" + whole[1:])
    with pytest.raises(DataError, match="has a label 10; CIFAR-10 has 10 classes"):
        load("cifar10")


def test_imagenet_whose_validation_images_are_not_sorted(tmp_path):
    folder = miniatures.write("imagenet", tmp_path / "data")
    for path in (folder / "images/val").iterdir():
        for picture in path.iterdir():
            picture.rename(folder / "images/val" / f"ILSVRC2012_val_{picture.name}")
        path.rmdir()
    with pytest.raises(DataError, match="it has 8 images unsorted: move each"):
        load("imagenet")
    (folder / "images/train/n01440764").rename(folder / "images/train/other")
    with pytest.raises(DataError, match="1 of its 1,000 class folders are missing .'n01440764'"):
        load("imagenet")

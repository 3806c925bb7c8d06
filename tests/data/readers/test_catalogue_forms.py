"""The other forms of the catalogue's data sets: tars, tables of the hub, torchvision's folders."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from engine.common.errors import DataError
from engine.config import DataConfig
from engine.data.catalogue.class_list import class_list
from engine.data.catalogue.table import catalogue
from engine.data.copies import TestCopies
from engine.data.images import UnreadableImageError, read_image
from engine.data.readers.catalogue import places
from engine.data.readers.listed import classes_of
from engine.data.registry import load_dataset
from tests.support import miniatures
from tests.support.miniatures import LABELS, image, put, tar_of


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GLOV_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")


def load(name: str, **more: object):
    return load_dataset(DataConfig(dataset=name, **more))


def check(dataset, train: int, test: int) -> None:
    assert (len(dataset.train), len(dataset.test)) == (train, test)
    for item in (*dataset.train, *dataset.test):
        assert miniatures.label_of(read_image(dataset.images.file(item.path))) == item.label
        assert dataset.images.stamp(item.path)[0] > 0
    assert {item.label for item in dataset.test} == set(LABELS)


# -- tars --------------------------------------------------------------------------------------


def test_tars_are_read_where_they_lie(tmp_path):
    entry = catalogue()["imagenet"]
    miniatures.tars(entry, tmp_path / "data", ("train", "test"))
    dataset = load("imagenet")
    check(dataset, 6, 6)
    assert next(iter(dataset.test)).path.startswith("test/0.tar/")
    assert load("imagenet").fingerprint() == dataset.fingerprint()
    with pytest.raises(UnreadableImageError):
        read_image(dataset.images.file("test/0.tar/no such"))
    assert dataset.images.stamp("test/9.tar/1+2") == (-1, -1)


def test_a_variants_tars_are_beside_imagenets_tars_or_folders(tmp_path):
    base = tmp_path / "data"
    entry = catalogue()["imagenet-a"]
    miniatures.tars(entry, base, ("test",))
    with pytest.raises(DataError, match="ImageNet is not there, and prompts for ImageNet-A"):
        load("imagenet-a")
    folder = miniatures.tars(catalogue()["imagenet"], base, ("train",))
    full, own = class_list("imagenet"), classes_of(entry)
    wanted = [full.label(own.names[label]) for label in LABELS]
    members: dict[str, bytes] = {}
    for label in (0, *wanted):
        members |= {f"x{label}.png": image(label), f"x{label}.cls": b"%d" % label}
    tar_of(folder / "train" / "0.tar", members)
    (folder / "train" / "1.tar").unlink()
    tar_of(folder / "test" / "0.tar", members)
    dataset = load("imagenet-a")
    assert [(item.label, full.names[shown(dataset, item)]) for item in dataset.train] == [
        (label, own.names[label]) for label in LABELS
    ]
    assert len(dataset.test) == 6
    miniatures.write("imagenet", base)
    assert next(iter(load("imagenet-a").train)).path.startswith("train/n")


def shown(dataset, item) -> int:
    return miniatures.label_of(read_image(dataset.images.file(item.path)))


def test_labels_in_tars_are_those_of_their_class_names(tmp_path):
    entry = catalogue()["imagenet-a"]
    names = list(classes_of(entry).names)
    base = tmp_path / "data"
    miniatures.write("imagenet", base)
    folder = miniatures.tars(entry, base, ("test",))
    put(folder / "classnames.txt", "\n".join(names[::-1]))
    dataset = load("imagenet-a")
    assert {(shown(dataset, i), i.label) for i in dataset.test} == {(n, 199 - n) for n in LABELS}
    put(folder / "classnames.txt", "\n".join([*names[:190], *(f"new {n}" for n in range(10))]))
    assert {item.label for item in load("imagenet-a").test} == set(LABELS)
    put(folder / "classnames.txt", "\n".join(["zebra crossing", "nothing", *names[:3]]))
    with pytest.raises(DataError, match="2 of its 5 classes are not known"):
        load("imagenet-a")
    put(folder / "classnames.txt", "\n".join([*names[:150], *names[:50]]))
    with pytest.raises(DataError, match="twice; it is of another data set"):
        load("imagenet-a")
    (folder / "classnames.txt").unlink()
    with pytest.raises(DataError, match="which says what the labels in the tars mean"):
        load("imagenet-a")


def hostile(path: Path, kind: str) -> None:
    """A tar that is wrong in some way."""
    path.unlink()
    if kind == "no tar":
        put(path, b"x" * 5000)
        return
    if kind == "cut":
        tar_of(path, {"a.cls": b"0", "a.png": image(0) * 2000})
        path.write_bytes(path.read_bytes()[:2000])
        return
    with tarfile.open(path, "w") as tar:
        about = tarfile.TarInfo("a.png")
        if kind == "link":
            about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(about)
            return
        content = image(0)
        about.size = len(content)
        tar.addfile(about, io.BytesIO(content))
        if kind != "no label":
            label = tarfile.TarInfo("a.cls")
            text = {"word": b"zero", "long": b"1" * 4000, "far": b"99999"}[kind]
            label.size = len(text)
            tar.addfile(label, io.BytesIO(text))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no tar", "can't be read as a tar"),
        ("cut", "cut off in 'a.png'|can't be read as a tar"),
        ("link", "no images in it"),
        ("no label", "no label for '/a'"),
        ("word", "'a.cls' should be a label such as 17; it has 4 bytes, 'zero'"),
        ("long", "should be a label such as 17; it has 4,000 bytes, ''"),
    ],
)
def test_tars_that_are_wrong_are_refused_in_words(tmp_path, kind, said):
    base = tmp_path / "data"
    folder = miniatures.tars(catalogue()["imagenet"], base, ("train", "test"))
    hostile(folder / "test" / "0.tar", kind)
    with pytest.raises(DataError, match=said):
        load("imagenet")


def test_a_label_beyond_the_classes_and_a_huge_member(tmp_path, monkeypatch):
    base = tmp_path / "data"
    folder = miniatures.tars(catalogue()["imagenet"], base, ("train", "test"))
    hostile(folder / "test" / "0.tar", "far")
    assert len(load("imagenet").test) == 3  # of a class that is not ours
    monkeypatch.setattr("engine.data.readers.webdataset.LARGEST_IMAGE", 10)
    put(folder / "test" / "1.tar", (folder / "test" / "1.tar").read_bytes() + b"\0" * 512)
    with pytest.raises(DataError, match="an image may have 10"):
        load("imagenet")


def test_copies_in_train_and_test_are_found_in_tars(tmp_path):
    folder = miniatures.tars(catalogue()["imagenet"], tmp_path / "data", ("train", "test"))
    members = {"t.png": image(0, 0), "t.cls": b"0"}  # is in train/0.tar too
    tar_of(folder / "test" / "0.tar", members)
    dataset = load("imagenet")
    copies = TestCopies(dataset)
    found = [item for item in dataset.train if copies.of(item) is not None]
    assert [item.label for item in found] == [0]


# -- tables ------------------------------------------------------------------------------------


def table(
    root: Path, name: str, feature: object, rows: list[tuple[object, int]], broken: int = -1
) -> None:
    """A folder as of a repository: data/train-*.parquet, data/test-*.parquet; one test image may
    be broken.
    """
    import datasets

    copy = catalogue()[name].hub
    assert copy is not None
    for split, shift in ((copy.train, 0), (copy.test, 5)):
        features = datasets.Features({copy.image: datasets.Image(), copy.label: feature})
        pictures = [image(shows, shift) for _, shows in rows]
        if split == copy.test and broken >= 0:
            pictures[broken] = b"no image"
        content = {
            copy.image: [{"bytes": picture, "path": None} for picture in pictures],
            copy.label: [label for label, _ in rows],
        }
        file = root / "data" / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_dict(content, features=features).to_parquet(file)


def class_label(names: list[str]) -> object:
    import datasets

    return datasets.ClassLabel(names=names)


HUB = [entry.name for entry in catalogue().values() if entry.hub is not None]


@pytest.mark.parametrize("name", HUB)
def test_a_table_is_read_by_its_columns_and_splits(name, tmp_path):
    names = [n.replace(" ", "_").lower() for n in classes_of(catalogue()[name]).names]
    table(tmp_path / "copy", name, class_label(names), [(label, label) for label in LABELS])
    dataset = load(name, source="hub", path=str(tmp_path / "copy"))
    check(dataset, 3, 3)
    assert any("the copy has 3 training and 3 test images" in p for p in dataset.problems)
    again = load(name, source="hub", path=str(tmp_path / "copy"))
    assert again.fingerprint() == dataset.fingerprint()
    assert again.images.identity == dataset.images.identity


def test_a_table_of_very_many_rows_is_held_in_little_memory(tmp_path, monkeypatch):
    names = list(classes_of(catalogue()["dtd"]).names)
    rows = [(label, label) for label in (4, 0, 2, 4)]
    table(tmp_path / "copy", "dtd", class_label(names), rows)
    plain = load("dtd", source="hub", path=str(tmp_path / "copy"))
    monkeypatch.setattr("engine.data.readers.hub._MANY", 3)
    packed = load("dtd", source="hub", path=str(tmp_path / "copy"))
    assert sorted(packed.test) == sorted(plain.test) and packed.test != plain.test
    assert [shown(packed, item) for item in packed.train] == [0, 2, 4, 4]


def test_a_tables_classes_are_matched_by_name(tmp_path):
    cars = ["Volvo XC90 SUV 2007", "Acura RL Sedan 2012", "AM General Hummer SUV 2000"]
    ours = classes_of(catalogue()["stanford-cars"])
    rows = [(number, ours.label(name)) for number, name in enumerate(cars)]
    table(tmp_path / "cars", "stanford-cars", class_label(cars), rows)
    dataset = load("stanford-cars", source="hub", path=str(tmp_path / "cars"))
    assert [shown(dataset, item) for item in dataset.test] == [i.label for i in dataset.test]
    assert dataset.class_names[dataset.test[1].label] == "2012 Acura RL Sedan"

    table(tmp_path / "other", "stanford-cars", class_label(["a", "b", "c"]), rows)
    with pytest.raises(DataError, match="3 of its 3 classes are not known .'a', 'b', 'c'"):
        load("stanford-cars", source="hub", path=str(tmp_path / "other"))


def test_labels_without_names_and_labels_as_texts(tmp_path):
    import datasets

    table(tmp_path / "n", "eurosat", datasets.Value("int64"), [(n, n) for n in LABELS])
    check(load("eurosat", source="hub", path=str(tmp_path / "n")), 3, 3)
    table(tmp_path / "far", "eurosat", datasets.Value("int64"), [(0, 0), (10, 1)])
    with pytest.raises(DataError, match="has labels from 0 to 10; there are 10 classes"):
        load("eurosat", source="hub", path=str(tmp_path / "far"))
    rows = [("SeaLake", 9), ("annual crop land", 0), ("River", 8)]
    table(tmp_path / "t", "eurosat", datasets.Value("string"), rows)
    dataset = load("eurosat", source="hub", path=str(tmp_path / "t"))
    assert [(shown(dataset, i), i.label) for i in dataset.test] == [(9, 9), (0, 0), (8, 8)]


def test_what_is_wrong_with_a_table_is_said(tmp_path):
    import datasets

    with pytest.raises(DataError, match="can't be read through datasets"):
        load("dtd", source="hub", path=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no copy of UCF101 is known there"):
        load("ucf101", source="hub")
    content = {"image": [1], "kind": [0]}
    for split in ("train", "test"):
        file = tmp_path / "odd" / "data" / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_dict(content).to_parquet(file)
    with pytest.raises(DataError, match="has no column 'label'; it has image, kind"):
        load("dtd", source="hub", path=str(tmp_path / "odd"))


def test_without_the_network_the_hub_is_said_not_to_answer(monkeypatch):
    with pytest.raises(DataError, match="mteb/dtd at 9672618: DTD, split train, can't be read"):
        load("dtd", source="hub")


# -- torchvision -------------------------------------------------------------------------------


def classes_three(name: str) -> list[tuple[int, str]]:
    return miniatures.three(catalogue()[name])


def all_names(name: str) -> tuple[str, ...]:
    return classes_of(catalogue()[name]).names


def as_food(root: Path) -> None:
    folders = [n.replace(" ", "_") for n in all_names("food-101")]
    for split, numbers in (("train", (0, 1)), ("test", (2,))):
        listed = {
            f: [f"{f}/{n}" for n in numbers] if i in LABELS else [] for i, f in enumerate(folders)
        }
        put(root / "food-101/meta" / f"{split}.json", json.dumps(listed))
    for label in LABELS:
        for number in range(3):
            put(root / "food-101/images" / folders[label] / f"{number}.jpg", image(label, number))


def as_dtd(root: Path) -> None:
    for split, number in (("train", 0), ("test", 1)):
        lines = []
        for label, name in enumerate(all_names("dtd")):
            put(root / "dtd/dtd/images" / name / f"{number}.jpg", image(label, number))
            lines.append(f"{name}/{number}.jpg")
        put(root / "dtd/dtd/labels" / f"{split}1.txt", "\n".join(lines) + "\n")


def as_aircraft(root: Path) -> None:
    entry = catalogue()["fgvc-aircraft"]
    miniatures.aircraft(entry, root / "fgvc-aircraft-2013b/data")


def as_pets(root: Path) -> None:
    names = [n.replace(" ", "_") for n in all_names("oxford-pets")]
    for split, number in (("trainval", 0), ("test", 1)):
        lines = []
        for label, name in enumerate(names):
            put(root / "oxford-iiit-pet/images" / f"{name}_{number}.jpg", image(label, number))
            lines.append(f"{name}_{number} {label + 1} 1 1")
        put(root / "oxford-iiit-pet/annotations" / f"{split}.txt", "\n".join(lines) + "\n")


def as_eurosat(root: Path) -> None:
    for label, folder in enumerate(catalogue()["eurosat"].hub.classes):
        for number in range(4):
            put(root / "eurosat/2750" / folder / f"{number}.jpg", image(label, number))


def as_sun(root: Path) -> None:
    rows = classes_of(catalogue()["sun397"]).rows
    folders = [next(n for n in row if "/" in n) for row in rows]
    put(root / "SUN397/ClassName.txt", "\n".join(f"/{folder}" for folder in folders) + "\n")
    for label in LABELS:
        for number in range(4):
            put(root / "SUN397" / folders[label] / f"sun_{number}.jpg", image(label, number))


def as_flowers(root: Path) -> None:
    from scipy.io import savemat

    folder = root / "flowers-102"
    labels = np.repeat(np.array(LABELS) + 1, 2)
    for number, label in enumerate(labels, start=1):
        put(folder / "jpg" / f"image_{number:05d}.jpg", image(int(label) - 1, number))
    savemat(folder / "imagelabels.mat", {"labels": labels})
    ids = np.arange(1, 7)
    sets = {"trnid": ids[::2], "valid": ids[:1], "tstid": ids[1::2]}
    savemat(folder / "setid.mat", sets)


def as_cars(root: Path) -> None:
    from scipy.io import savemat

    rows = classes_of(catalogue()["stanford-cars"]).rows
    names = np.array([row[1] for row in rows], dtype=object)
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": names})
    kind = [("fname", object), ("class", int)]
    for place, images in (
        (folder / "devkit/cars_train_annos.mat", "cars_train"),
        (folder / "cars_test_annos_withlabels.mat", "cars_test"),
    ):
        listed = np.array([(f"{label}.jpg", label + 1) for label in LABELS], dtype=kind)
        savemat(place, {"annotations": listed})
        for label in LABELS:
            put(folder / images / f"{label}.jpg", image(label, images == "cars_test"))


TORCHVISION = {
    "food-101": (as_food, 6, 3),
    "dtd": (as_dtd, 47, 47),
    "fgvc-aircraft": (as_aircraft, 6, 3),
    "oxford-pets": (as_pets, 37, 37),
    "eurosat": (as_eurosat, 20, 20),
    "sun397": (as_sun, 6, 6),
    "stanford-cars": (as_cars, 3, 3),
    "oxford-flowers": (as_flowers, 3, 3),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_folders_are_read_by_its_own_classes(name, tmp_path, monkeypatch):
    write, train, test = TORCHVISION[name]
    root = tmp_path / "data"
    write(root)
    if name == "oxford-flowers":  # it compares hashes, which a miniature can't have
        from torchvision.datasets import Flowers102

        own = {
            key: (file, hashlib.md5((root / "flowers-102" / file).read_bytes()).hexdigest())
            for key, (file, _) in Flowers102._file_dict.items()
            if (root / "flowers-102" / file).is_file()
        }
        monkeypatch.setattr(Flowers102, "_file_dict", Flowers102._file_dict | own)
    dataset = load(name, source="torchvision")
    assert (len(dataset.train), len(dataset.test)) == (train, test)
    assert not set(dataset.train) & set(dataset.test)
    for item in (*dataset.train, *dataset.test):
        assert shown(dataset, item) == item.label
    assert any("through torchvision" in problem for problem in dataset.problems)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifars_pickles_are_read_only_if_their_hashes_are_right(name, tmp_path, monkeypatch):
    from torchvision import datasets as sets

    made = getattr(sets, catalogue()[name].torchvision.name)
    folder = tmp_path / "data" / made.base_folder
    key = "fine_labels" if name == "cifar100" else "labels"
    hashes = {}
    files = [file for file, _ in (*made.train_list, *made.test_list)]
    for number, file in enumerate(files):
        pixels = np.zeros((3, 3, 1024), dtype=np.uint8)
        pixels[:, 0] = np.array(LABELS)[:, None]
        pixels[:, 2] = number
        content = pickle.dumps({"data": pixels.reshape(3, 3072), key: list(LABELS)})
        put(folder / file, content)
        hashes[file] = hashlib.md5(content).hexdigest()
    meta = pickle.dumps({made.meta["key"]: list(all_names(name))})
    put(folder / made.meta["filename"], meta)
    with pytest.raises(DataError, match="torchvision can't read CIFAR.*not found or corrupted"):
        load(name, source="torchvision")
    for listed in ("train_list", "test_list"):
        monkeypatch.setattr(made, listed, [[f, hashes[f]] for f, _ in getattr(made, listed)])
    monkeypatch.setattr(made, "meta", made.meta | {"md5": hashlib.md5(meta).hexdigest()})
    check(load(name, source="torchvision"), 3 * (len(files) - 1), 3)


def test_what_torchvision_has_not(tmp_path):
    with pytest.raises(DataError, match="not there as torchvision"):
        load("caltech101", source="torchvision")
    with pytest.raises(DataError, match="not there as torchvision"):
        load("dtd", source="torchvision")
    assert list((tmp_path).glob("data/*")) == []  # its classes make folders


def test_the_form_that_is_read_first(tmp_path):
    base = tmp_path / "data"
    as_food(base)
    assert [place.form for place in places(catalogue()["food-101"], base)] == [
        *("folder", "torchvision")
    ]


# -- both families read them -------------------------------------------------------------------


def test_both_families_of_vlms_read_images_that_are_no_files(tmp_path):
    from engine.common.kept import Kept
    from engine.config.toml_file import load_config
    from engine.vlm.loading import load_fitness
    from tests.support.questions import configured, scored
    from tests.support.tiny_llava import save_tiny_llava

    names = list(classes_of(catalogue()["eurosat"]).names)
    copy = tmp_path / "copy"
    table(copy, "eurosat", class_label(names), [(label, label) for label in range(10)], broken=7)
    data = (f"data.path={copy}", "data.dataset=eurosat", "data.source=hub", "data.shots=1")
    for config, question in (
        (load_config("demo", data), "a <category>"),
        (configured(save_tiny_llava(tmp_path / "llava"), *data), "what is shown?"),
    ):
        told: list[str] = []
        fitness = load_fitness(config, lambda *_: None, told.append, Kept())
        (score,) = scored(fitness, question)
        assert score.n == 10 and fitness.size("test") == 9
        (skipped,) = [sentence for sentence in told if "skipped" in sentence]
        assert skipped.startswith(f"'{copy} (") and "test, row 7' was skipped: it is not" in skipped
        assert fitness.class_names == tuple(names)


def test_options_may_call_classes_by_their_other_names(tmp_path):
    from engine.data.options import find_options

    base = tmp_path / "data"
    entry = catalogue()["oxford-flowers"]
    classes = classes_of(entry)
    moss = classes.label("air plant")
    split = {"train": [["m/1.jpg", moss, "ball moss"]], "test": [["m/2.jpg", moss, "ball moss"]]}
    folder = base / entry.layout.folder
    put(folder / entry.layout.split, json.dumps(split))
    for number in (1, 2):
        put(folder / "jpg/m" / f"{number}.jpg", image(moss, number))
    options = ["air plant", "pink and yellow dahlia", "sunflower", "bee balm"]
    file = put(
        tmp_path / "options.json",
        json.dumps(
            {
                "air plant": [
                    {"image": f"jpg/m/{n}.jpg", "groundtruth": "air plant", "options": options}
                    for n in (1, 2)
                ]
            }
        ),
    )
    found = find_options(load("oxford-flowers"), str(file), 0.5)
    wrong = {found.dataset.class_names[label] for label in found.of(found.dataset.test[0])}
    assert wrong == {"pink-yellow dahlia", "sunflower", "bee balm"}

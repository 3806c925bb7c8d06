"""Miniatures of the catalogue's data sets: right folders, lists and files, a few tiny images.

Three classes of each (all of ImageNet's, whose folders must all be there), two training images and
one test image a class. An image's colour tells its label.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from engine.data.catalogue.entry import Entry
from engine.data.catalogue.table import catalogue
from engine.data.readers.imagenet import wordnet_ids
from engine.data.readers.listed import classes_of

LABELS = (0, 2, 4)


@cache
def image(label: int, number: int = 0, kind: str = "PNG") -> bytes:
    """A tiny image whose red and green say the label; each number is another picture."""
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[...] = (label % 256, label // 256, number)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format=kind)
    return written.getvalue()


def label_of(picture: Image.Image) -> int:
    """Of an image that ``image`` made, read from any form."""
    red, green, _ = picture.getpixel((0, 0))
    return red + 256 * green


def put(path: Path, content: bytes | str) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write(name: str, base: Path) -> Path:
    """The miniature of a data set in CoOp's layout, with ImageNet for its variants."""
    entry = catalogue()[name]
    folder = base / entry.layout.folder
    kind = entry.layout.reader.rpartition(":")[2]
    match kind:
        case "read":
            coop(entry, folder)
        case "read_imagenet":
            imagenet(entry, folder)
        case "read_variant":
            if not (base / "imagenet").is_dir():
                write("imagenet", base)
            variant(entry, folder)
        case "read_aircraft":
            aircraft(entry, folder)
        case "read_cub":
            cub(entry, folder)
        case "read_resisc":
            resisc(entry, folder)
        case "read_cifar10" | "read_cifar100":
            cifar(entry, folder)
    return folder


def three(entry: Entry) -> list[tuple[int, str]]:
    """Labels and names of the classes that a miniature has images of."""
    names = classes_of(entry).names
    return [(label, names[label]) for label in LABELS]


def coop(entry: Entry, folder: Path) -> None:
    """Images in class folders, and the split file."""
    split: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    for label, name in three(entry):
        for number, part in enumerate(("train", "train", "val", "test")):
            path = f"{name.replace(' ', '_')}/{number}.jpg"
            put(folder / entry.layout.images / path, image(label, number))
            split[part].append([path, label, name.replace(" ", "_")])
    put(folder / entry.layout.split, json.dumps(split))


def imagenet(entry: Entry, folder: Path) -> None:
    """``images/train/n01440764`` and so on: all folders, images in some."""
    classes = classes_of(entry)
    trained = set(LABELS)
    for other in ("imagenet-a", "imagenet-r"):  # which are trained on images of it
        ids = wordnet_ids(classes_of(catalogue()[other]))
        trained |= {label for of in LABELS if (label := classes.label(ids[of])) is not None}
    _class_folders(folder / "images/train", wordnet_ids(classes), 2, trained)
    _class_folders(folder / "images/val", wordnet_ids(classes), 1, trained)


def variant(entry: Entry, folder: Path) -> None:
    """Its own folders; of ImageNetV2 they are called by the label."""
    ids = wordnet_ids(classes_of(entry))
    named = [str(label) for label in range(1000)] if entry.name == "imagenet-v2" else ids
    _class_folders(folder / entry.layout.images, named, 1, set(LABELS), first=7)
    put(folder / entry.layout.images / "README.txt", "no class")


def _class_folders(
    root: Path, names: Iterable[str], count: int, labels: set[int], first: int = 0
) -> None:
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(first, first + count) if label in labels else ():
            put(root / name / f"{name}_{number}.JPEG", image(label, number))


def aircraft(entry: Entry, folder: Path) -> None:
    """``variants.txt`` and a list a split."""
    put(folder / "variants.txt", "\n".join(classes_of(entry).names) + "\n")
    for split, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        lines = []
        for label, name in three(entry):
            for number in numbers:
                put(folder / f"images/{label}{number:06d}.jpg", image(label, number))
                lines.append(f"{label}{number:06d} {name}")
        put(folder / f"images_variant_{split}.txt", "\n".join(lines) + "\n")


def cub(entry: Entry, folder: Path) -> None:
    """``images.txt`` and its companions, by an image's number."""
    lists: dict[str, list[str]] = {"images": [], "image_class_labels": [], "train_test_split": []}
    number = 0
    for label, name in three(entry):
        for picture in range(3):
            number += 1
            path = f"{label + 1:03d}.{name.replace('-', '_').replace(' ', '_')}/{picture}.jpg"
            put(folder / "images" / path, image(label, picture))
            lists["images"].append(f"{number} {path}")
            lists["image_class_labels"].append(f"{number} {label + 1}")
            lists["train_test_split"].append(f"{number} {int(picture < 2)}")
    for name, lines in lists.items():
        put(folder / f"{name}.txt", "\n".join(lines) + "\n")


def resisc(entry: Entry, folder: Path) -> None:
    """Images in class folders, and torchgeo's lists of files."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for label, name in three(entry):
        own = name.replace(" ", "_")
        for number in range(3):
            file = f"{own}_{number + 1:03d}.jpg"
            put(folder / "NWPU-RESISC45" / own / file, image(label, number))
            lists["train" if number < 2 else "test"].append(file)
    for split, lines in lists.items():
        put(folder / f"resisc45-{split}.txt", "\n".join(lines) + "\n")


def cifar(entry: Entry, folder: Path) -> None:
    """Records of labels and planes."""
    coarse = b"\0" if entry.name == "cifar100" else b""
    names = (
        ["train.bin", "test.bin"]
        if entry.name == "cifar100"
        else [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    )
    for number, name in enumerate(names):
        records = b"".join(
            coarse + bytes([label]) + bytes([label]) * 1024 + b"\0" * 1024 + bytes([number]) * 1024
            for label in LABELS
        )
        put(folder / name, records)


def tars(entry: Entry, base: Path, splits: Iterable[str]) -> Path:
    """The webdataset of a data set: two tars a split, all class names."""
    assert entry.tars is not None
    folder = base / entry.tars.repository.rpartition("/")[2]
    put(folder / "classnames.txt", "\n".join(classes_of(entry).names) + "\n")
    for split in splits:
        for shard in range(2):
            members: dict[str, bytes] = {}
            for label in LABELS:
                members[f"s{shard}{label:04d}.png"] = image(label, shard + 10 * (split == "test"))
                members[f"s{shard}{label:04d}.cls"] = str(label).encode()
            tar_of(folder / split / f"{shard}.tar", members)
        put(folder / split / "nshards.txt", "2")
    return folder


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    """A tar with these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path

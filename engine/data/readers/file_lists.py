"""Data sets that say in text files which images there are: FGVC Aircraft, RESISC45, CUB-200."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from engine.common.errors import DataError
from engine.common.files import read_small
from engine.common.names import natural_key, quoted, readable_name
from engine.config import DataConfig
from engine.data.catalogue.entry import Entry
from engine.data.dataset import Dataset, LabelledImage
from engine.data.readers.coop_split import PLAIN_SPLIT, read_split
from engine.data.readers.listed import classes_of, how_to_get, listed_dataset
from engine.data.readers.visible_files import is_image_name
from engine.data.sampling import split_off_test

_LARGEST = 2**26  # bytes of a list
_RESISC_TESTED = 0.4  # the share that the paper keeps for testing


def read_aircraft(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """``images_variant_train.txt``, ``..._test.txt``: an image's number and its variant a line."""
    if not (folder / "images_variant_test.txt").is_file() and (folder / "data").is_dir():
        folder = folder / "data"  # as the archive has it
    classes = classes_of(entry)
    variants = [line for _, line in _lines(entry, folder / "variants.txt")]
    if tuple(variants) != classes.names:
        raise DataError(
            f"{readable_name(str(folder / 'variants.txt'))}: has {len(variants)} variants, which "
            f"are not the {len(classes.names)} of {entry.title} in their order; get it anew"
        )
    splits = []
    for split in ("train", "test"):
        file = folder / f"images_variant_{split}.txt"
        items = []
        for number, line in _lines(entry, file):
            image, _, variant = line.partition(" ")
            label = classes.label(variant)
            if label is None:
                raise _no_class(file, number, variant)
            items.append(LabelledImage(f"{image}.jpg", label))
        splits.append(items)
    return listed_dataset(entry, folder, folder / entry.layout.images, splits[0], splits[1])


def read_cub(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt``: by an image's number.

    The class is that of the folder's name, and the two must agree.
    """
    classes = classes_of(entry)
    labels = dict(_numbered(entry, folder / "image_class_labels.txt"))
    trained = dict(_numbered(entry, folder / "train_test_split.txt"))
    file = folder / "images.txt"
    splits: dict[str, list[LabelledImage]] = {"1": [], "0": []}
    for number, path in _numbered(entry, file):
        name = path.partition("/")[0].partition(".")[2]
        label = classes.label(name)
        if label is None or labels.get(number) != str(label + 1):
            raise DataError(
                f"{readable_name(str(file))}: image {quoted(number)} is in {quoted(path)}, but "
                f"image_class_labels.txt has class {quoted(labels.get(number, 'nothing'))} for it; "
                "get them anew"
            )
        if trained.get(number) not in splits:
            raise DataError(
                f"{readable_name(str(folder / 'train_test_split.txt'))}: has "
                f"{quoted(trained.get(number, 'nothing'))} for image {quoted(number)}; it should "
                "be 1 (training) or 0 (testing)"
            )
        splits[trained[number]].append(LabelledImage(path, label))
    return listed_dataset(entry, folder, folder / entry.layout.images, splits["1"], splits["0"])


def read_resisc(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """``NWPU-RESISC45/CLASS/CLASS_001.jpg``, split by ``resisc45_split.json`` in CoOp's form, by
    ``resisc45-train.txt`` and ``-test.txt``, or here.
    """
    images = folder / entry.layout.images
    if not images.is_dir() and (folder / "airplane").is_dir():
        images = folder
    own = next(
        (f for f in (folder / "resisc45_split.json", folder / PLAIN_SPLIT) if f.is_file()), None
    )
    if own is not None:
        split = read_split(own, classes_of(entry))
        return listed_dataset(entry, folder, images, split["train"], split["test"])
    lists = [folder / f"resisc45-{split}.txt" for split in ("train", "test")]
    if not any(file.is_file() for file in lists):
        return _split_here(entry, folder, images)
    classes = classes_of(entry)
    splits = []
    for file in lists:
        items = []
        for number, line in _lines(entry, file):
            class_folder = line.rpartition("_")[0]
            label = classes.label(class_folder)
            if label is None:
                raise _no_class(file, number, class_folder)
            items.append(LabelledImage(f"{class_folder}/{line}", label))
        splits.append(items)
    return listed_dataset(entry, folder, images, splits[0], splits[1])


def _split_here(entry: Entry, folder: Path, images: Path) -> Dataset:
    classes = classes_of(entry)
    train: list[LabelledImage] = []
    test: list[LabelledImage] = []
    for label, row in enumerate(classes.rows):
        names = [n for n in (*row, row[0].replace(" ", "_")) if (images / n).is_dir()]
        if not names:
            raise DataError(
                f"{readable_name(str(images))}: there is no folder {row[0].replace(' ', '_')} in "
                f"it; {how_to_get(entry)}"
            )
        files = sorted(filter(is_image_name, os.listdir(images / names[0])), key=natural_key)  # noqa: PTH208
        items = [LabelledImage(f"{names[0]}/{file}", label) for file in files]
        for_training, for_test = split_off_test(items, _RESISC_TESTED)
        train += for_training
        test += for_test
    said = (
        "no list says what is for training and testing (resisc45-train.txt, resisc45-test.txt): "
        f"split here, {_RESISC_TESTED:.0%} for testing",
    )
    return listed_dataset(entry, folder, images, train, test, said)


def _no_class(file: Path, number: int, name: str) -> DataError:
    return DataError(
        f"{readable_name(str(file))}: line {number}: there is no class {quoted(name)} in this data "
        "set; get the file anew"
    )


def _numbered(entry: Entry, file: Path) -> Iterator[tuple[str, str]]:
    """The number and the rest of each line.

    Raises:
        DataError: as ``_lines``, or where a number comes twice.
    """
    seen: set[str] = set()
    for number, line in _lines(entry, file):
        key, _, rest = line.partition(" ")
        if key in seen or not rest:
            what = "comes twice" if key in seen else "has nothing after it"
            raise DataError(f"{readable_name(str(file))}: line {number}: {quoted(key)} {what}")
        seen.add(key)
        yield key, rest


def _lines(entry: Entry, file: Path) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers.

    Raises:
        DataError: if the file is missing, has none, or is no text.
    """
    where = readable_name(str(file))
    try:
        text = read_small(Path(os.path.realpath(file)), _LARGEST).decode()
    except FileNotFoundError:
        raise DataError(f"{where}: there is no such file; {how_to_get(entry)}") from None
    except OSError as error:
        raise DataError(f"{where}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise DataError(f"{where}: is no text in UTF-8; get it anew") from None
    lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{where}: is empty; {how_to_get(entry)}")
    yield from lines

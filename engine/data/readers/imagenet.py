"""ImageNet's folders, and its variants: prompts are found on ImageNet and tested on them.

    imagenet/images/train/n01440764/*.JPEG   imagenet/images/val/n01440764/*.JPEG
    imagenetv2/imagenetv2-matched-frequency-format-val/0/*.jpeg      (folders are labels)
    imagenet-sketch/images/n01440764/*       imagenet-adversarial/imagenet-a/n01498041/*
    imagenet-rendition/imagenet-r/n01443537/*

``images`` may be left out (``imagenet/train``). An image's path begins with its split, whatever the
folders are called: so a run on ImageNet and one on a variant label the same images.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.common.errors import DataError
from engine.common.names import readable_name, some_names
from engine.common.wording import counted
from engine.config import DataConfig
from engine.data.catalogue.class_list import ClassList
from engine.data.catalogue.entry import Entry
from engine.data.catalogue.table import catalogue
from engine.data.dataset import Dataset
from engine.data.readers.folder_index import index_class_folders
from engine.data.readers.listed import classes_of, how_to_get, made_dataset
from engine.data.sources import FolderSource, SplitSource


def read_imagenet(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """As ``engine.data.readers.catalogue.LayoutReader``."""
    train, test = (split_folder(entry, folder, split) for split in ("train", "val"))
    return _dataset(entry, folder, train, test, wordnet_ids(classes_of(entry)))


def read_variant(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """The same for a variant: ImageNet is looked for beside its folder."""
    trained_on = catalogue()[entry.trained_on]
    imagenet = folder.parent / trained_on.layout.folder
    if not imagenet.is_dir():
        raise DataError(
            f"{readable_name(str(imagenet))}: there is no such folder; prompts for {entry.title} "
            f"are found on images of {trained_on.title}, which belongs there. "
            f"{how_to_get(trained_on)}"
        )
    train = split_folder(trained_on, imagenet, "train")
    test = folder / entry.layout.images
    classes = classes_of(entry)
    if (
        not (test / wordnet_ids(classes)[0]).is_dir()
        and (folder / wordnet_ids(classes)[0]).is_dir()
    ):
        test = folder
    names = wordnet_ids(classes)
    by_number = [str(label) for label in range(len(names))]
    named = by_number if (test / "0").is_dir() and not entry.subset else names
    return _dataset(entry, folder, train, test, named)


def _dataset(entry: Entry, folder: Path, train: Path, test: Path, tested: list[str]) -> Dataset:
    ids = wordnet_ids(classes_of(entry))
    check_folders(entry, train, ids)
    check_folders(entry, test, tested)
    for_training = index_class_folders(train, ids, "train")
    for_test = index_class_folders(test, tested, "test")
    said = []
    expected = f"{entry.title} has {entry.test:,} test images; here are {len(for_test):,}"
    if len(for_test) != entry.test:
        said.append(expected)
    return made_dataset(
        entry,
        folder,
        for_training,
        for_test,
        said,
        SplitSource(FolderSource(train), FolderSource(test)),
    )


def wordnet_ids(classes: ClassList) -> list[str]:
    """WordNet ids, which are the last of a class's names."""
    return [row[-1] for row in classes.rows]


def split_folder(entry: Entry, folder: Path, split: str) -> Path:
    places = (folder / "images" / split, folder / split)
    return next((place for place in places if place.is_dir()), places[0])


def check_folders(entry: Entry, root: Path, folders: list[str]) -> None:
    """See that the class folders are there.

    Raises:
        DataError: saying which are missing.
    """
    try:
        there = set(os.listdir(root))  # noqa: PTH208 - names only
    except OSError as error:
        raise DataError(
            f"{readable_name(str(root))}: can't be read: {error.strerror or error}; "
            f"{how_to_get(entry)}"
        ) from error
    missing = [folder for folder in folders if folder not in there]
    if not missing:
        return
    flat = sum(name.endswith(".JPEG") for name in there)
    why = (
        f"it has {counted(flat, 'image')} unsorted: move each into the folder of its WordNet id"
        if flat
        else f"{len(missing):,} of its {len(folders):,} class folders are missing "
        f"({some_names(missing, 3)})"
    )
    raise DataError(f"{readable_name(str(root))}: {why}; {how_to_get(entry)}")

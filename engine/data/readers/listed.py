"""From lists of images to a data set: paths that stay inside, images that are there, no doubles."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from engine.common.errors import DataError
from engine.common.names import encode_name, quoted, readable_name, some_names
from engine.data.catalogue.class_list import ClassList, class_list
from engine.data.catalogue.entry import Entry
from engine.data.dataset import Dataset, LabelledImage, LongList
from engine.data.sources import FolderSource, ImageSource

_NAMED = 3


def classes_of(entry: Entry) -> ClassList:
    """Its classes in the order of the labels."""
    return class_list(entry.classes, entry.subset)


def listed_dataset(
    entry: Entry,
    folder: Path,
    images: Path,
    train: Sequence[LabelledImage],
    test: Sequence[LabelledImage],
    problems: Sequence[str] = (),
) -> Dataset:
    """A data set of files below ``images``; those that are not there are left out, and said.

    Args:
        entry: the data set.
        folder: its own, for messages.
        images: what the paths are below of.
        train: its training images.
        test: its test images.
        problems: what is to be said beside.

    Raises:
        DataError: if a path leads out of ``images`` or is listed twice, or no image is there.
    """
    check_paths(entry, [*train, *test])
    there = _there(images, [item.path for item in (*train, *test)])
    said = list(problems)
    kept = []
    for split, items in (("training", train), ("test", test)):
        missing = [item for item in items if item.path not in there]
        if items and len(missing) == len(items):
            raise DataError(
                f"{readable_name(str(images))}: none of the {len(items):,} {split} images of "
                f"{entry.title} is there, such as {readable_name(items[0].path)}; "
                f"{how_to_get(entry)}"
            )
        if missing:
            some = ", ".join(readable_name(item.path) for item in missing[:_NAMED])
            more = ", ..." if len(missing) > _NAMED else ""
            said.append(
                f"{len(missing):,} of {len(items):,} {split} images are not there ({some}{more}): "
                "what is measured is measured on the others"
            )
        kept.append(tuple(item for item in items if item.path in there))
    return made_dataset(entry, folder, kept[0], kept[1], said, FolderSource(images))


def made_dataset(
    entry: Entry,
    root: Path,
    train: Sequence[LabelledImage],
    test: Sequence[LabelledImage],
    problems: Sequence[str],
    source: ImageSource,
) -> Dataset:
    """The data set, once it is known that every class has training and test images.

    Raises:
        DataError: if there is no training or no test image; a class without is said only.
    """
    names = classes_of(entry).names
    said = list(problems)
    for split, items in (("training", train), ("test", test)):
        if not items:
            raise DataError(
                f"{readable_name(str(root))}: no {split} images of {entry.title}; "
                f"{how_to_get(entry)}"
            )
        if isinstance(items, LongList):
            counts = items.counts(len(names))
        else:
            counted = Counter(item.label for item in items)
            counts = [counted[label] for label in range(len(names))]
        if empty := [name for name, count in zip(names, counts, strict=True) if not count]:
            said.append(f"no {split} images of {some_names(empty)}")
    return Dataset(
        name=entry.title,
        description=entry.description,
        class_names=names,
        root=root,
        train=train,
        test=test,
        problems=tuple(said),
        source=source,
        known_fingerprint=fingerprint(names, train, test),
        other_names=tuple(
            (label, name) for label, row in enumerate(classes_of(entry).rows) for name in row[1:]
        ),
    )


def fingerprint(
    names: Sequence[str], train: Sequence[LabelledImage], test: Sequence[LabelledImage]
) -> str:
    """Hash of class names, splits, paths and labels, in order: 16 hexadecimal digits.

    No file is asked for its size: there may be a million, and what a run is scored on is known by
    its content anyway.
    """
    digest = hashlib.sha256()
    for name in names:
        digest.update(encode_name(f"{name}\0"))
    for split, items in (("train", train), ("test", test)):
        digest.update(split.encode())
        if isinstance(items, LongList):
            digest.update(items.digest())
        else:
            for path, label in items:
                digest.update(encode_name(f"{path}\0{label}\0"))
    return digest.hexdigest()[:16]


def how_to_get(entry: Entry) -> str:
    """Where a person is told more."""
    return f"`glov datasets {entry.name}` says how to get it"


def check_paths(entry: Entry, items: Sequence[LabelledImage]) -> None:
    """See that paths stay inside the folder, and none is listed twice.

    Raises:
        DataError: naming one.
    """
    for path, _ in items:
        parts = path.split("/")
        if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise DataError(
                f"{entry.title}: its list of images names {quoted(path)}, which is no path below "
                "its folder; get the list anew"
            )
    twice = [path for path, count in Counter(path for path, _ in items).items() if count > 1]
    if twice:
        raise DataError(
            f"{entry.title}: its list of images names {some_names(twice)} more than once; an image "
            "can't be of two splits or classes: get the list anew"
        )


def _there(images: Path, paths: Sequence[str]) -> set[str]:
    """Those paths at which there is a file; each folder is listed once, no file is asked for."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[path.rpartition("/")[0]].append(path)
    found: set[str] = set()
    for folder, listed in by_folder.items():
        try:
            names = set(os.listdir(images / folder))  # noqa: PTH208 - of many
        except OSError:
            continue
        found.update(path for path in listed if path.rpartition("/")[2] in names)
    return found

"""Data sets that torchvision downloaded or that lie in its layout, read by its own classes.

Its classes know files and labels without opening an image; where they keep them is in the
catalogue's row, and tests hold that against the installed version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from engine.common.errors import DataError
from engine.common.names import readable_name
from engine.data.catalogue.class_list import ClassList
from engine.data.catalogue.entry import Entry, Torchvision
from engine.data.dataset import Dataset, LabelledImage
from engine.data.readers.listed import classes_of, how_to_get, made_dataset
from engine.data.readers.webdataset import label_map
from engine.data.sampling import split_off_test
from engine.data.sources import BytesFile, FolderSource, ImageSource, SplitSource


@dataclass(frozen=True, slots=True)
class _ArraySource:
    """Images that torchvision holds as arrays, by number."""

    identity: str
    pixels: Any  # (n, height, width, 3), uint8

    def file(self, path: str) -> BytesFile:
        """The image as a PPM file."""
        return BytesFile(f"{self.identity}, image {path}", partial(self._content, path))

    def stamp(self, path: str) -> tuple[int, int]:
        """Bytes of its pixels; its files' hashes were compared, so the time says nothing."""
        return int(self.pixels[int(path)].nbytes), 0

    def _content(self, path: str) -> bytes:
        written = BytesIO()
        Image.fromarray(self.pixels[int(path)]).save(written, format="PPM")
        return written.getvalue()


def read(entry: Entry, root: Path, test_fraction: float) -> Dataset:
    """The data set below ``root``, which is what torchvision calls so.

    Where torchvision has no splits, ``test_fraction`` of each class is for testing.

    Raises:
        DataError: if it is not there, or its classes are not the catalogue's.
    """
    own = entry.torchvision
    if own is None:
        raise DataError(
            f"data.source is torchvision, which has no {entry.title}; {how_to_get(entry)}"
        )
    problems = ["read through torchvision, whose splits are not CoOp's"]
    train_set = _made(entry, own, root, own.train)
    train, source = _images(entry, own, train_set, root)
    if own.train == own.test:
        problems.append(f"it has no splits there: split here, {test_fraction:.0%} for testing")
        groups: list[list[LabelledImage]] = [[] for _ in classes_of(entry).names]
        for item in train:
            groups[item.label].append(item)
        halves = [split_off_test(group, test_fraction) for group in groups]
        train = [item for half in halves for item in half[0]]
        test = [item for half in halves for item in half[1]]
        tested: ImageSource = source
    else:
        test, tested = _images(entry, own, _made(entry, own, root, own.test), root)
    splits = [
        tuple(LabelledImage(f"{split}/{path}", label) for path, label in items)
        for split, items in (("train", train), ("test", test))
    ]
    return made_dataset(entry, root, splits[0], splits[1], problems, SplitSource(source, tested))


def _made(entry: Entry, own: Torchvision, root: Path, arguments: Mapping[str, object]) -> Any:
    if not (root / own.needs).exists():  # its classes make folders where there are none
        raise DataError(
            f"{readable_name(str(root))}: {own.needs} of torchvision's {own.name} is not there; "
            f"{how_to_get(entry)}"
        )
    from torchvision import datasets as sets

    try:
        return getattr(sets, own.name)(str(root), download=False, **arguments)
    except Exception as error:  # of its checks, of scipy, of a dozen formats
        reason = readable_name(" ".join(str(error).split()))[:300]
        raise DataError(
            f"{readable_name(str(root))}: torchvision can't read {own.name} there: {reason}"
        ) from error


def _images(
    entry: Entry, own: Torchvision, made: Any, root: Path
) -> tuple[list[LabelledImage], ImageSource]:
    files = getattr(made, own.files)
    if own.labels:
        labels = list(getattr(made, own.labels))
    else:  # pairs of a file and its label
        labels = [label for _, label in files]
        files = [file for file, _ in files]
    label_of = _label_map(entry, made, classes_of(entry), own)
    source: ImageSource
    if hasattr(files, "dtype"):
        paths = [str(number) for number in range(len(labels))]
        source = _ArraySource(f"{root.resolve()}/{own.needs} {len(labels)}", files)
    else:
        paths = [Path(file).relative_to(root).as_posix() for file in files]
        source = FolderSource(root)
    ours = [label_of(int(label)) for label in labels]
    items = [
        LabelledImage(path, label)
        for path, label in zip(paths, ours, strict=True)
        if label is not None
    ]
    return items, source


def _label_map(entry: Entry, made: Any, classes: ClassList, own: Torchvision) -> Any:
    names = getattr(made, "classes", None)
    if names is None:  # Flowers102 has labels in the data set's own order, as we have
        return lambda label: label if 0 <= label < len(classes.names) else None
    return label_map([str(name) for name in names], classes, f"torchvision's {own.name}")

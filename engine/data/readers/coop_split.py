"""CoOp's layout: a folder of images, and a JSON file that says which are for training and testing.

    {"train": [["abyssinian/1.jpg", 0, "abyssinian"], ...], "val": [...], "test": [...]}

ProAPO's form of the same splits is read too: {"train": {"abyssinian/1.jpg": "abyssinian"}, ...}.
The validation split is left unused: neither the search nor the evaluation needs it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.common.errors import DataError
from engine.common.files import read_small
from engine.common.names import encode_name, quoted, readable_name
from engine.common.validation import shown
from engine.config import DataConfig
from engine.data.catalogue.class_list import ClassList
from engine.data.catalogue.entry import Entry
from engine.data.dataset import Dataset, LabelledImage
from engine.data.readers.listed import classes_of, how_to_get, listed_dataset

PLAIN_SPLIT = "split.json"
"""What ``glov datasets NAME --fetch`` calls ProAPO's."""

_LARGEST = 2**26  # bytes of a split file; the longest of these sets has 9 MB
_SPLITS = ("train", "val", "test")

Split = dict[str, list[LabelledImage]]


def read(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """As ``engine.data.readers.catalogue.LayoutReader``."""
    file = split_file(entry, folder)
    if file is None:
        raise DataError(
            f"{readable_name(str(folder))}: {entry.layout.split} is not there, which says what is "
            f"for training and testing; {how_to_get(entry)}"
        )
    split = read_split(file, classes_of(entry))
    problems = []
    if split_digest(split) != entry.layout.digest:
        problems.append(
            f"{readable_name(file.name)} is not CoOp's split of {entry.title} (its images or "
            "labels differ): its numbers stand beside no table"
        )
    images = folder / entry.layout.images
    return listed_dataset(entry, folder, images, split["train"], split["test"], problems)


def split_file(entry: Entry, folder: Path) -> Path | None:
    """The split file in a folder, in either form."""
    files = (folder / entry.layout.split, folder / PLAIN_SPLIT)
    return next((file for file in files if file.is_file()), None)


def read_split(file: Path, classes: ClassList) -> Split:
    """The images of each split, labelled as the catalogue does.

    Raises:
        DataError: naming the file, and what in it is wrong.
    """
    where = readable_name(str(file))
    try:
        content = json.loads(read_small(Path(os.path.realpath(file)), _LARGEST))
    except OSError as error:
        raise DataError(f"{where}: can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no valid JSON ({error}); get it anew") from None
    if not isinstance(content, dict) or not all(
        isinstance(content.get(split), list | dict) for split in ("train", "test")
    ):
        raise DataError(
            f'{where}: is no split file; it should hold {{"train": [[path, label, class], ...], '
            '"test": [...]}'
        )
    split = {name: list(_labelled(where, name, content.get(name, []), classes)) for name in _SPLITS}
    for name in ("train", "test"):
        if not split[name]:
            raise DataError(f"{where}: {name} has no images in it")
    return split


def _labelled(where: str, split: str, content: Any, classes: ClassList) -> Iterator[LabelledImage]:
    pairs: Iterable[Any] = content.items() if isinstance(content, dict) else content
    given: int | None
    for number, row in enumerate(pairs, start=1):
        match row:
            case (str(path), int(number_given), str(name)) if not isinstance(number_given, bool):
                given = number_given
            case (str(path), str(name)):
                given = None
            case _:
                raise DataError(
                    f"{where}: {split}, number {number} is {shown(row)}; it should be "
                    "[path, label, class]"
                )
        if not _is_path(path):
            raise DataError(
                f"{where}: {split}, number {number}: {quoted(path)} is no name of a file"
            )
        label = classes.label(name)
        if label is None:
            raise DataError(
                f"{where}: {split}, number {number}: there is no class {quoted(name)} in this "
                "data set; get the file anew"
            )
        if given is not None and given != label:
            raise DataError(
                f"{where}: {split}, number {number}: class {quoted(name)} has the label {given}; "
                f"it should be {label}. Labels in another order would be wrong numbers: get the "
                "file anew"
            )
        yield LabelledImage(path, label)


def _is_path(text: str) -> bool:
    """Whether a file may be called so: half of a surrogate pair has no bytes."""
    try:
        return bool(encode_name(text))
    except UnicodeEncodeError:
        return False


def split_digest(split: Split) -> str:
    """SHA-256 over splits, paths and labels, whatever order and form a file has them in."""
    rows = sorted((name, path, label) for name in _SPLITS for path, label in split[name])
    digest = hashlib.sha256()
    for name, path, label in rows:
        digest.update(encode_name(f"{name}\t{path}\t{label}\n"))
    return digest.hexdigest()

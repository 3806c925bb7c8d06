"""Data sets on the Hugging Face hub, as tables: through ``datasets``, at the catalogue's revision.

Nothing of a repository is run (``datasets`` reads no loading scripts since 4.0). The tables are
mapped into memory; of a row only the bytes of its image are read, when it is asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.common.errors import ConfigError, DataError
from engine.common.names import encode_name, quoted, readable_name
from engine.config import DataConfig
from engine.data.catalogue.entry import Entry, HubCopy
from engine.data.dataset import Dataset, LabelledImage
from engine.data.packed import PackedImages
from engine.data.readers.listed import classes_of, made_dataset
from engine.data.readers.webdataset import label_map
from engine.data.sources import LARGEST_IMAGE, BytesFile, SplitSource

if TYPE_CHECKING:
    import datasets


_MANY = 200_000  # rows that are listed as objects


@dataclass(frozen=True, slots=True)
class TableSource:
    """Images in the rows of a table, by the row's number."""

    identity: str
    table: datasets.Dataset
    column: str
    _sizes: list[NDArray[np.int64]] = field(default_factory=list)

    def file(self, path: str) -> BytesFile:
        """The bytes of a row's image."""
        return BytesFile(f"{self.identity}, row {path}", partial(self._content, path))

    def stamp(self, path: str) -> tuple[int, int]:
        """Bytes of the image; the identity says of which time it is."""
        if not self._sizes:
            self._sizes.append(_sizes(self.table, self.column))
        return int(self._sizes[0][int(path)]), 0

    def _content(self, path: str) -> bytes:
        content = self.table[int(path)][self.column]["bytes"]
        if content is None or len(content) > LARGEST_IMAGE:
            raise OSError(0, "the row holds no image, or one that is too large")
        return bytes(content)


def read(entry: Entry, config: DataConfig) -> Dataset:
    """The hub's copy, or with ``data.path`` the same files in a folder.

    Raises:
        ConfigError: if ``datasets`` is not installed.
        DataError: if the copy can't be had, or is not what the catalogue says.
    """
    copy = entry.hub
    if copy is None:
        raise DataError(
            f"data.source is hub, but no copy of {entry.title} is known there; "
            f"`glov datasets {entry.name}` says how to get it"
        )
    problems = []
    tables = [_table(entry, copy, split, config.path) for split in (copy.train, copy.test)]
    sources: list[TableSource] = []
    splits: list[Sequence[LabelledImage]] = []
    for word, name, table in zip(("train", "test"), (copy.train, copy.test), tables, strict=True):
        labels, left_out = _labels(entry, copy, table)
        if left_out:
            problems.append(f"{left_out:,} rows of {name} are of classes that are left out here")
        splits.append(_items(word, labels, len(classes_of(entry).names)))
        sources.append(TableSource(_identity(copy, name, config.path), table, copy.image))
    problems += _differences(entry, len(splits[0]), len(splits[1]))
    place = Path(config.path) if config.path else Path(copy.repository)
    return made_dataset(
        entry, place, splits[0], splits[1], problems, SplitSource(sources[0], sources[1])
    )


def _items(split: str, labels: NDArray[np.int64], count: int) -> Sequence[LabelledImage]:
    """The rows of a split that are of a class; of very many in little memory, class by class."""
    rows = np.flatnonzero(labels >= 0)
    if len(rows) <= _MANY:
        return tuple(LabelledImage(f"{split}/{row}", int(labels[row])) for row in rows.tolist())
    named = ([str(row) for row in np.flatnonzero(labels == n).tolist()] for n in range(count))
    return PackedImages.of([split] * count, named)


def _differences(entry: Entry, train: int, test: int) -> list[str]:
    if (entry.train, entry.test) == (train, test):
        return []
    expected = f"{entry.train:,} and {entry.test:,}" if entry.train else f"{entry.test:,}"
    return [
        f"the copy has {train:,} training and {test:,} test images, where the paper's split has "
        f"{expected}" + ("; its numbers stand beside no table" if test != entry.test else "")
    ]


def _identity(copy: HubCopy, split: str, path: str | None) -> str:
    if path is None:
        return f"{copy.repository}@{copy.revision}, {split}"
    digest = hashlib.sha256()
    for file in sorted(Path(path).rglob("*")):
        if file.is_file():
            status = file.stat()
            digest.update(encode_name(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0"))
    return f"{os.path.realpath(path)} ({digest.hexdigest()[:12]}), {split}"


def _table(entry: Entry, copy: HubCopy, split: str, path: str | None) -> datasets.Dataset:
    try:
        import datasets
    except ImportError:
        raise ConfigError(
            "data.source is hub, which needs the package datasets: pip install -e '.[datasets]'"
        ) from None
    datasets.disable_progress_bars()
    where = readable_name(path) if path else f"{copy.repository} at {copy.revision[:7]}"
    try:
        if path is not None:
            table = datasets.load_dataset(path, split=split)
        else:
            table = datasets.load_dataset(copy.repository, revision=copy.revision, split=split)
    except Exception as error:  # of the hub, of the network, of a dozen formats
        reason = readable_name(" ".join(str(error).split()))[:300]
        raise DataError(
            f"{where}: {entry.title}, split {split}, can't be read through datasets: {reason}"
        ) from error
    for column in (copy.image, copy.label):
        if column not in table.column_names:
            raise DataError(
                f"{where}: split {split} has no column {quoted(column)}; it has "
                f"{', '.join(map(readable_name, table.column_names))}"
            )
    try:
        return table.cast_column(copy.image, datasets.Image(decode=False))
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: the column {quoted(copy.image)} has no images") from error


def _labels(entry: Entry, copy: HubCopy, table: datasets.Dataset) -> tuple[NDArray[np.int64], int]:
    """Our label of each row, -1 for classes that we don't have, and how many those are.

    Raises:
        DataError: if the labels can't be told.
    """
    where = f"{copy.repository}, column {copy.label}"
    classes = classes_of(entry)
    feature = table.features[copy.label]
    given = table.data.column(copy.label).to_pylist()
    names: list[str] | None = getattr(feature, "names", None) or list(copy.classes) or None
    if any(isinstance(value, str) for value in given):
        names = sorted({str(value) for value in given})
        given = [names.index(str(value)) for value in given]
    if not all(isinstance(value, int) for value in given):
        raise DataError(f"{where}: some rows have no label")
    lowest, highest = min(given, default=0), max(given, default=0)
    count = len(names or classes.names)
    if lowest < 0 or highest >= count:
        raise DataError(
            f"{where}: has labels from {lowest} to {highest}; there are {count} classes"
        )
    label_of = label_map(names, classes, where) if names else _as_it_is
    ours = [label_of(label) for label in range(count)]
    found = np.array([-1 if label is None else label for label in ours], dtype=np.int64)
    labels = found[np.array(given, dtype=np.int64)]
    return labels, int((labels < 0).sum())


def _as_it_is(label: int) -> int:
    return label


def _sizes(table: Any, column: str) -> NDArray[np.int64]:
    """Bytes of each row's image, -1 where there are none; no image is read."""
    import pyarrow.compute as compute

    content = compute.struct_field(table.data.column(column), "bytes")
    lengths = compute.fill_null(compute.binary_length(content), -1)
    return np.asarray(lengths.to_numpy(), dtype=np.int64)

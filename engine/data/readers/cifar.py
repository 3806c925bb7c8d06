"""CIFAR's binary files: records of a label and 3,072 bytes, red, green and blue planes of 32 x 32.

They are mapped into memory, and a record is read when it is asked for. The other form of these data
sets is pickles, which are programs; ``data.source = "torchvision"`` reads them after comparing
their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.common.errors import DataError
from engine.common.names import readable_name
from engine.config import DataConfig
from engine.data.catalogue.entry import Entry
from engine.data.dataset import Dataset, LabelledImage
from engine.data.readers.listed import classes_of, how_to_get, made_dataset
from engine.data.sources import BytesFile

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_HEADER = f"P6 {_SIDE} {_SIDE} 255\n".encode()


@dataclass(frozen=True, slots=True)
class _Records:
    """Images by ``file/number``."""

    root: Path
    files: Mapping[str, NDArray[np.uint8]]  # (records, bytes of a record), mapped
    labels: int  # bytes of a record before its pixels

    @property
    def identity(self) -> str:
        """The folder."""
        return str(self.root.resolve())

    def file(self, path: str) -> BytesFile:
        """The image as a PPM file."""
        return BytesFile(str(self.root / path), partial(self._content, path))

    def stamp(self, path: str) -> tuple[int, int]:
        """Bytes of the image, and when its file was changed."""
        try:
            return _PIXELS, (self.root / path.partition("/")[0]).stat().st_mtime_ns
        except OSError:
            return -1, -1

    def _content(self, path: str) -> bytes:
        file, _, number = path.partition("/")
        planes = self.files[file][int(number), self.labels :].reshape(3, _SIDE, _SIDE)
        return _HEADER + np.ascontiguousarray(planes.transpose(1, 2, 0)).tobytes()


def read_cifar10(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """As ``engine.data.readers.catalogue.LayoutReader``."""
    train = [f"data_batch_{n}.bin" for n in range(1, 6)]
    return _read(entry, folder, train, ["test_batch.bin"], labels=1)


def read_cifar100(entry: Entry, folder: Path, _config: DataConfig) -> Dataset:
    """The same; before the pixels there is a coarse label, left unused, and the fine one."""
    return _read(entry, folder, ["train.bin"], ["test.bin"], labels=2)


def _read(entry: Entry, folder: Path, train: list[str], test: list[str], labels: int) -> Dataset:
    files = {name: _mapped(entry, folder / name, labels) for name in (*train, *test)}
    count = len(classes_of(entry).names)
    splits = []
    for names in (train, test):
        items = []
        for name in names:
            given = files[name][:, labels - 1].tolist()
            if max(given) >= count:
                raise DataError(
                    f"{readable_name(str(folder / name))}: has a label {max(given)}; "
                    f"{entry.title} has {count} classes, 0 to {count - 1}: get it anew"
                )
            items += [LabelledImage(f"{name}/{n}", label) for n, label in enumerate(given)]
        splits.append(tuple(items))
    source = _Records(folder, files, labels)
    return made_dataset(entry, folder, splits[0], splits[1], (), source)


def _mapped(entry: Entry, file: Path, labels: int) -> NDArray[np.uint8]:
    where = readable_name(str(file))
    record = labels + _PIXELS
    try:
        size = file.stat().st_size
        if not size or size % record:
            raise DataError(
                f"{where}: has {size:,} bytes, which are no whole records of {record}; get it anew"
            )
        return np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, record)
    except OSError as error:
        raise DataError(
            f"{where}: can't be read: {error.strerror or error}; {how_to_get(entry)}"
        ) from error

"""Where a data set's images lie: in a folder, or in something that holds many (a tar, a table).

Nothing is read before an image is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Literal, Protocol


class ImageFile(Protocol):
    """What an image's bytes are read from; ``pathlib.Path`` is one. As text it says where it is."""

    def open(self, mode: Literal["rb"], /) -> BufferedReader | BytesIO:
        """From its beginning.

        Raises:
            OSError: if it is not there or can't be read.
        """
        ...


class ImageSource(Protocol):
    """Images by path: ``LabelledImage.path``. Several threads may ask at once."""

    @property
    def identity(self) -> str:
        """What the paths are relative to: with a path and its stamp it says which image it is."""
        ...

    def file(self, path: str) -> ImageFile:
        """The image at ``path``; whether it is there shows when it is opened."""
        ...

    def stamp(self, path: str) -> tuple[int, int]:
        """Size in bytes, and when it was changed in nanoseconds; -1 where there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Image files below a folder."""

    root: Path

    @property
    def identity(self) -> str:
        """The folder without links."""
        return str(self.root.resolve())

    def file(self, path: str) -> Path:
        """The file."""
        return self.root / path

    def stamp(self, path: str) -> tuple[int, int]:
        """Of the file, or of what a link leads to."""
        try:
            status = os.stat(f"{self.root}/{path}")  # noqa: PTH116 - of many
        except OSError:
            return -1, -1
        return status.st_size, status.st_mtime_ns


LARGEST_IMAGE = 2**28
"""Bytes that an image in a tar or a table may have; more would be a mistake, or an attack."""


@dataclass(frozen=True, slots=True)
class BytesFile:
    """An image that is no file of its own; ``place`` says where it is, for messages."""

    place: str
    content: Callable[[], bytes]

    def open(self, _mode: Literal["rb"], /) -> BytesIO:
        """Its bytes."""
        return BytesIO(self.content())

    def __str__(self) -> str:
        return self.place


@dataclass(frozen=True, slots=True)
class SplitSource:
    """Images whose path begins with their split: ``train/...``, ``test/...``."""

    train: ImageSource
    test: ImageSource

    @property
    def identity(self) -> str:
        """Of both."""
        return f"{self.train.identity}\0{self.test.identity}"

    def file(self, path: str) -> ImageFile:
        """The image."""
        source, rest = self._part(path)
        return source.file(rest)

    def stamp(self, path: str) -> tuple[int, int]:
        """Of the image."""
        source, rest = self._part(path)
        return source.stamp(rest)

    def _part(self, path: str) -> tuple[ImageSource, str]:
        split, _, rest = path.partition("/")
        return (self.train if split == "train" else self.test), rest

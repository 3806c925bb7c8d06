"""What a reader of a data set returns: classes and labelled images, none of them opened yet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class LabelledImage(NamedTuple):
    """One image file. ``path`` is relative to the data set's root, with ``/`` on every system."""

    path: str
    label: int  # index into Dataset.class_names


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled data set with a train and a test split.

    ``class_names`` are distinct and in the order that labels count in. ``problems`` are sentences
    on what was found and worked around (a split that was ignored, a class without test images).
    """

    name: str
    description: str
    class_names: tuple[str, ...]
    root: Path
    train: tuple[LabelledImage, ...]
    test: tuple[LabelledImage, ...]
    problems: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Hash of class names, splits, labels and file names and sizes: 16 hexadecimal digits.

        Two data sets with one fingerprint hold the same files in the same splits, so a number
        measured on one can stand beside a number measured on the other.
        """
        digest = hashlib.sha256()
        for name in self.class_names:
            digest.update(encode_name(f"{name}\0"))
        for split, items in (("train", self.train), ("test", self.test)):
            for item in sorted(items):
                try:
                    size = (self.root / item.path).stat().st_size
                except OSError:
                    size = -1
                digest.update(encode_name(f"{split}\0{item.path}\0{item.label}\0{size}\0"))
        return digest.hexdigest()[:16]

    def by_class(self, items: Sequence[LabelledImage]) -> list[list[LabelledImage]]:
        """``items`` grouped by label: one list per class, possibly empty, in class order."""
        groups: list[list[LabelledImage]] = [[] for _ in self.class_names]
        for item in items:
            groups[item.label].append(item)
        return groups


def encode_name(name: str) -> bytes:
    """Bytes of a file name, also of one that isn't valid Unicode."""
    return name.encode("utf-8", "surrogateescape")


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts ``class2`` before ``class10`` and is the same on every file system."""
    parts = [
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name.casefold())
    ]
    return parts, name

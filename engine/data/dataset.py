"""What a reader of a data set returns: classes and labelled images, none of them opened yet."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from engine.common.names import encode_name, same_name
from engine.data.sources import FolderSource, ImageSource

Split = Literal["train", "test"]


class LabelledImage(NamedTuple):
    """One image. ``path`` is below the data set's root, with ``/`` on every system, or names it
    otherwise in its source (``engine.data.sources``).
    """

    path: str
    label: int  # index into Dataset.class_names


class LongList(Sequence[LabelledImage]):
    """Images that are made up as they are gone through, in the order of their labels."""

    @abstractmethod
    def groups(self, count: int) -> Sequence[Sequence[LabelledImage]]:
        """The images of each of ``count`` classes."""

    @abstractmethod
    def counts(self, count: int) -> list[int]:
        """How many images each of ``count`` classes has."""

    @abstractmethod
    def digest(self) -> bytes:
        """Hash of all paths and labels in order."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled data set with a train and a test split.

    ``class_names`` are distinct and in the order that labels count in. ``problems`` are sentences
    on what was found and worked around (a split that was ignored, a class without test images).
    The splits may be long, and made up as they are gone through. ``source`` is where images lie if
    they are no files below ``root``, which then is what a person calls the place. A reader that
    knows a ``fingerprint`` of its own (of an index, a revision) gives it as ``known_fingerprint``.
    """

    name: str
    description: str
    class_names: tuple[str, ...]
    root: Path
    train: Sequence[LabelledImage]
    test: Sequence[LabelledImage]
    problems: tuple[str, ...] = ()
    source: ImageSource | None = None
    known_fingerprint: str | None = None
    other_names: tuple[tuple[int, str], ...] = ()  # of classes, by label, as copies have them

    @property
    def images(self) -> ImageSource:
        """Where the images lie."""
        return self.source or FolderSource(self.root)

    def fingerprint(self) -> str:
        """Hash of class names, splits, labels and file names and sizes: 16 hexadecimal digits.
        A fingerprint that the reader knows has no sizes: what is scored is known by content anyway.

        Two data sets with one fingerprint hold the same files in the same splits, so a number
        measured on one can stand beside a number measured on the other.
        """
        if self.known_fingerprint is not None:
            return self.known_fingerprint
        digest = hashlib.sha256()
        images = self.images
        for name in self.class_names:
            digest.update(encode_name(f"{same_name(name)}\0"))
        for split, items in (("train", self.train), ("test", self.test)):
            for path, label, on_disk in sorted((same_name(i.path), i.label, i.path) for i in items):
                size, _ = images.stamp(on_disk)
                digest.update(encode_name(f"{split}\0{path}\0{label}\0{size}\0"))
        return digest.hexdigest()[:16]

    def by_class(self, items: Sequence[LabelledImage]) -> Sequence[Sequence[LabelledImage]]:
        """``items`` grouped by label: one list per class, possibly empty, in class order."""
        if isinstance(items, LongList):
            return items.groups(len(self.class_names))
        groups: list[list[LabelledImage]] = [[] for _ in self.class_names]
        for item in items:
            groups[item.label].append(item)
        return groups

"""The same picture in the training and in the test split: a test accuracy would count it as seen.

Pictures are compared by their files' content. Only files of equal size are read, and of a large
data set only those training images that are drawn: the others are never used.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

from engine.common.names import readable_name
from engine.data.dataset import Dataset, LabelledImage

_LOOKED_THROUGH = 2000  # training images: all of so many are compared, drawn or not
_NAMED = 3


class TestCopies:
    """Finds training images that are in the test split too. One thread at a time."""

    __test__ = False  # not a test case, whatever pytest thinks of its name

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._images = dataset.images
        self._known: dict[LabelledImage, LabelledImage | None] = {}
        self._by_size: dict[int, list[LabelledImage]] = defaultdict(list)
        self._by_content: dict[tuple[int, bytes], LabelledImage] = {}
        for item in dataset.test:
            size = self._size(item)
            if size > 0:  # empty files are no pictures
                self._by_size[size].append(item)

    def of(self, item: LabelledImage) -> LabelledImage | None:
        """A test image with the content of this training image."""
        if item not in self._known:
            self._known[item] = self._find(item)
        return self._known[item]

    def remark(self) -> str | None:
        """A sentence on the copies that were found; in a small data set all are looked for."""
        if len(self._dataset.train) <= _LOOKED_THROUGH:
            for item in self._dataset.train:
                self.of(item)
        found = [(item, copy) for item, copy in self._known.items() if copy is not None]
        if not found:
            return None
        shown = ", ".join(
            f"{readable_name(item.path)} is {readable_name(copy.path)}"
            for item, copy in sorted(found)[:_NAMED]
        )
        more = ", ..." if len(found) > _NAMED else ""
        crossed = sum(item.label != copy.label for item, copy in found)
        under = f" ({crossed} under another class)" if crossed else ""
        what = "images are" if len(found) > 1 else "image is"
        return (
            f"{len(found)} training {what} in the test split too{under}, and left out of "
            f"training: {shown}{more}"
        )

    def _find(self, item: LabelledImage) -> LabelledImage | None:
        size = self._size(item)
        if size not in self._by_size:
            return None
        for other in self._by_size[size]:
            if (content := self._content(other)) is not None:
                self._by_content.setdefault((size, content), other)
        self._by_size[size] = []  # all of them are known by content now
        own = self._content(item)
        return None if own is None else self._by_content.get((size, own))

    def _size(self, item: LabelledImage) -> int:
        return self._images.stamp(item.path)[0]

    def _content(self, item: LabelledImage) -> bytes | None:
        try:
            with self._images.file(item.path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return None

"""A long list of labelled images in little memory: names in one block of bytes, labels in a row.

A million images are some 30 MB, in place of a quarter of a gigabyte as objects; the objects are
made as the list is gone through. Images of one class stand together, classes in order.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from engine.common.names import encode_name
from engine.data.dataset import LabelledImage, LongList


class PackedImages(LongList):
    """Images sorted by label. Their paths are a prefix, their class's folder and a name."""

    def __init__(
        self,
        folders: Sequence[str],
        names: NDArray[np.uint8],
        ends: NDArray[np.int64],
        labels: NDArray[np.int32],
        first: int = 0,
    ) -> None:
        """
        Args:
            folders: of each label, with what stands before it; paths are ``folder/name``.
            names: bytes of all names, one behind the other.
            ends: (n,) where each name ends in ``names``.
            labels: (n,) ascending.
            first: where the first name begins.
        """
        self.folders = tuple(folders)
        self.names, self.ends, self.labels = names, ends, labels
        self._first = first

    @classmethod
    def of(cls, folders: Sequence[str], named: Iterable[Sequence[str]]) -> PackedImages:
        """From the names in each folder; the folders' places are the labels."""
        block = bytearray()
        ends: list[NDArray[np.int64]] = []
        counts: list[int] = []
        for names in named:
            encoded = [encode_name(name) for name in names]
            lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
            ends.append(len(block) + np.cumsum(lengths))
            counts.append(len(encoded))
            block += b"".join(encoded)
        labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        return cls(
            folders,
            np.frombuffer(bytes(block), dtype=np.uint8),
            np.concatenate(ends) if ends else np.zeros(0, dtype=np.int64),
            labels,
        )

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, index: slice) -> PackedImages: ...

    def __getitem__(self, index: int | slice) -> LabelledImage | PackedImages:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError("packed images are cut without a step")
            first = self._first if start == 0 else int(self.ends[start - 1])
            return PackedImages(
                self.folders, self.names, self.ends[start:stop], self.labels[start:stop], first
            )
        at = range(len(self))[index]
        begin = self._first if at == 0 else int(self.ends[at - 1])
        name = self.names[begin : int(self.ends[at])].tobytes()
        label = int(self.labels[at])
        return LabelledImage(f"{self.folders[label]}/{_text(name)}", label)

    def __iter__(self) -> Iterator[LabelledImage]:
        begin = self._first
        for end, label in zip(self.ends.tolist(), self.labels.tolist(), strict=True):
            name = self.names[begin:end].tobytes()
            yield LabelledImage(f"{self.folders[label]}/{_text(name)}", label)
            begin = end

    def groups(self, count: int) -> list[PackedImages]:
        """The images of each of ``count`` classes."""
        edges = np.searchsorted(self.labels, np.arange(count + 1)).tolist()
        return [self[start:stop] for start, stop in itertools.pairwise(edges)]

    def counts(self, count: int) -> list[int]:
        """How many images each of ``count`` classes has."""
        return [int(n) for n in np.bincount(self.labels, minlength=count)]

    def digest(self) -> bytes:
        """Hash of all paths and labels in order."""
        digest = hashlib.sha256("\0".join(self.folders).encode("utf-8", "surrogateescape"))
        digest.update(
            np.ascontiguousarray(
                self.names[self._first : int(self.ends[-1]) if len(self) else 0]
            ).data
        )
        digest.update(np.ascontiguousarray(self.ends - self._first).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.digest()


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")

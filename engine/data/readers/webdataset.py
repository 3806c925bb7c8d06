"""Tars of a webdataset, read where they lie: SPLIT/0.tar, ..., and classnames.txt beside them.

A sample's members have one name up to the first dot: ``s01.jpg`` and ``s01.cls``, the label as a
number. Our own reading, in place of ``datasets``' builder: that writes all images once more, into
tables, while a search looks at a few of them and an evaluation at each once. Headers are read once
and kept as an index while the tars have their sizes and times; an image's path says where in which
tar it is (``test/0.tar/1536+20480``), so nothing else is held in memory.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.common.errors import DataError
from engine.common.files import read_small
from engine.common.names import natural_key, quoted, readable_name, some_names
from engine.data.catalogue.class_list import ClassList
from engine.data.catalogue.entry import Entry
from engine.data.packed import PackedImages
from engine.data.readers.image_index import indexed
from engine.data.readers.listed import how_to_get
from engine.data.readers.visible_files import is_image_name
from engine.data.sources import LARGEST_IMAGE, BytesFile

CLASS_NAMES = "classnames.txt"

_LONGEST_LABEL = 32  # bytes of a .cls member
_LONGEST_LIST = 2**20  # bytes of classnames.txt
_SAME_ORDER = 0.9  # share of class names that are ours at their place: then all labels are ours
_PATH = re.compile(r"([^/]+)/(\d+)\+(\d+)")


@dataclass(frozen=True, slots=True)
class TarSource:
    """Images in the tars of a folder, by ``TAR/OFFSET+SIZE``."""

    root: Path

    @property
    def identity(self) -> str:
        """The folder without links."""
        return str(self.root.resolve())

    def file(self, path: str) -> BytesFile:
        """The bytes of a member."""
        return BytesFile(str(self.root / path), partial(self._content, path))

    def stamp(self, path: str) -> tuple[int, int]:
        """Of the member its size, of its tar the time."""
        tar, _, size = _parts(path)
        try:
            return size, (self.root / tar).stat().st_mtime_ns
        except OSError:
            return -1, -1

    def _content(self, path: str) -> bytes:
        tar, offset, size = _parts(path)
        with (self.root / tar).open("rb") as file:
            file.seek(offset)
            return file.read(size)


def _parts(path: str) -> tuple[str, int, int]:
    found = _PATH.fullmatch(path)
    if found is None:
        raise FileNotFoundError(path)
    return found[1], int(found[2]), int(found[3])


def tars_in(folder: Path) -> list[str]:
    """The names of the tars in a folder, in natural order; none where it can't be read."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names only
    except OSError:
        return []
    return sorted((n for n in names if n.endswith(".tar") and n[0] != "."), key=natural_key)


def read_tars(
    entry: Entry, root: Path, split: str, classes: ClassList, within: ClassList | None = None
) -> PackedImages:
    """The images of a split; of classes that are not ours (``classes``) none.

    Where ``classes`` are some of the tars', ``within`` are all of those.

    Raises:
        DataError: naming the tar or the file, and what is wrong with it.
    """
    folder = root / split
    tars = tars_in(folder)
    if not tars:
        raise DataError(f"{readable_name(str(folder))}: no tars in it; {how_to_get(entry)}")
    label_of = _labels(root / CLASS_NAMES, within or classes)
    if within is not None:
        label_of = _narrowed(label_of, within, classes)
    status = [(folder / tar).stat() for tar in tars]
    list_time = _time(root / CLASS_NAMES)
    shown = [split] * len(classes.names)
    return indexed(
        ("tars", split, os.path.realpath(root), *classes.names, *tars),
        [*((s.st_mtime_ns, s.st_size) for s in status), (list_time, 0)],
        shown,
        lambda: PackedImages.of(shown, _by_label(folder, tars, label_of, len(classes.names))),
    )


def _time(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _labels(file: Path, classes: ClassList) -> Callable[[int], int | None]:
    """From a label in the tars to ours; None for a class that is not ours.

    Raises:
        DataError: if the labels can't be told.
    """
    where = readable_name(str(file))
    try:
        lines = read_small(Path(os.path.realpath(file)), _LONGEST_LIST).decode().splitlines()
    except FileNotFoundError:
        raise DataError(
            f"{where}: there is no such file, which says what the labels in the tars mean; get it "
            "with them"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: can't be read as text: {error}") from None
    return label_map([line.strip() for line in lines if line.strip()], classes, where)


def _narrowed(
    label_of: Callable[[int], int | None], within: ClassList, classes: ClassList
) -> Callable[[int], int | None]:
    ours = [classes.label(name) for name in within.names]

    def narrowed(label: int) -> int | None:
        wide = label_of(label)
        return None if wide is None else ours[wide]

    return narrowed


def label_map(names: Sequence[str], classes: ClassList, where: str) -> Callable[[int], int | None]:
    """From the place of a class in ``names`` to our label; None for classes that are not ours.

    Where nine in ten are ours at their place the order is ours, and the rest is spelled otherwise
    (ImageNet's names have been mended over the years, and some are there twice). Else each must be
    known by its name; a twentieth may be classes that we don't have.

    Raises:
        DataError: if neither is so, naming what is not known.
    """
    ours = [classes.label(name) for name in names]
    at_their_place = sum(label == place for place, label in enumerate(ours))
    if len(names) == len(classes.names) and at_their_place >= _SAME_ORDER * len(names):
        return lambda label: label if 0 <= label < len(names) else None
    unknown = [name for name, label in zip(names, ours, strict=True) if label is None]
    known = [label for label in ours if label is not None]
    if 20 * len(unknown) > len(names) or len(set(known)) < len(known):
        twice = sorted({label for label in known if known.count(label) > 1})
        what = (
            f"{len(unknown)} of its {len(names)} classes are not known ({some_names(unknown, 3)})"
            if 20 * len(unknown) > len(names)
            else f"it has {some_names([classes.names[label] for label in twice], 3)} twice"
        )
        raise DataError(f"{where}: {what}; it is of another data set, or of another version")
    return lambda label: ours[label] if 0 <= label < len(ours) else None


def _by_label(
    folder: Path, tars: Sequence[str], label_of: Callable[[int], int | None], count: int
) -> Iterator[list[str]]:
    named: list[list[str]] = [[] for _ in range(count)]
    for tar in tars:
        for place, given in _samples(folder / tar):
            label = label_of(given)
            if label is not None:
                named[label].append(f"{tar}/{place}")
    yield from named


def _samples(file: Path) -> Iterator[tuple[str, int]]:
    """``OFFSET+SIZE`` and the label of each image in a tar.

    Raises:
        DataError: naming the tar, and the member that is wrong.
    """
    where = readable_name(str(file))
    images: dict[str, str] = {}
    labels: dict[str, int] = {}
    try:
        size = file.stat().st_size
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined] # it would keep them all
                if not member.isreg() or member.sparse is not None:
                    continue  # links lead out of it, devices are nothing to read
                if member.offset_data + member.size > size:
                    raise DataError(f"{where}: is cut off in {quoted(member.name)}; get it anew")
                above, _, name = member.name.rpartition("/")
                key, _, kind = name.partition(".")
                key = f"{above}/{key}"
                if kind == "cls":
                    labels[key] = _label(where, tar, member)
                elif is_image_name(f"x.{kind}"):
                    if member.size > LARGEST_IMAGE:
                        raise DataError(
                            f"{where}: {quoted(member.name)} has {member.size:,} bytes; an image "
                            f"may have {LARGEST_IMAGE:,}"
                        )
                    images[key] = f"{member.offset_data}+{member.size}"
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{where}: can't be read as a tar: {error}; get it anew") from error
    without = [key for key in images if key not in labels]
    if without or not images:
        what = f"no label for {some_names(without, 3)} (.cls)" if images else "no images in it"
        raise DataError(f"{where}: {what}; it is of another kind of webdataset")
    for key, place in images.items():
        yield place, labels[key]


def _label(where: str, tar: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    content = b""
    if member.size <= _LONGEST_LABEL and (file := tar.extractfile(member)) is not None:
        content = file.read()
    text = content.strip()
    if not text.isdigit():
        raise DataError(
            f"{where}: {quoted(member.name)} should be a label such as 17; it has "
            f"{member.size:,} bytes, {quoted(text.decode(errors='replace'))}"
        )
    return int(text)

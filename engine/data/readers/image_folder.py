"""The general reader: a folder with one folder of images per class.

    root/<class>/*                               split here, per class
    root/train/<class>/*  root/test/<class>/*    split by the folders
    root/<class>/train/*  root/<class>/test/*    the same, inside the class folders

Splits go by any usual name (``training_set``, ``seg_test``, ``val2017``), and folders that only
hold another one (``images``) are seen through: ``engine.data.readers.layout``. A validation split
is the test split where there is no other; beside one it is left unused, because neither the search
nor the evaluation needs it.

Class folders are read to any depth. Hidden files and folders and what systems leave are passed
over; so are files that are no images, by their ending or, where that says nothing, by how they
begin. Symbolic links are followed. An optional ``root/dataset.toml``:

    name = "Garden birds"
    description = "Photos of garden birds at a feeder."
    ignore = ["masks", "*_seg.png"]    # names, or paths below the root
    [classes]                  # folder = "class name"; default: the folder's name, _ as space
    parus_major = "great tit"
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from engine.common.errors import ConfigError, DataError
from engine.common.names import (
    natural_key,
    nearest,
    quoted,
    readable_name,
    same_name,
    some_names,
)
from engine.common.user_path import user_path, why_not_there
from engine.config import DataConfig
from engine.data.dataset import Dataset, LabelledImage
from engine.data.images import SUFFIXES, is_image_file
from engine.data.readers.class_names import check_distinct, class_names, remarks
from engine.data.readers.folder_settings import KEYS, SETTINGS_FILE, FolderSettings, read_settings
from engine.data.readers.layout import ClassFolder, find_layout, toml_text
from engine.data.readers.visible_files import VisibleFiles, ending, is_image_name, some_paths
from engine.data.sampling import split_off_test

_NO_IMAGES = frozenset(
    (
        *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini"),
        *(".md", ".rst", ".html", ".htm", ".pdf", ".svg", ".py", ".ipynb", ".m", ".log", ".db"),
        *(".zip", ".tar", ".gz", ".npy", ".npz", ".mat", ".pkl", ".pt", ".h5", ".parquet"),
    )
)
"""Endings of files that are not worth opening; all others are read by content."""

_MAX_KINDS = 6


def read(config: DataConfig) -> Dataset:
    """As ``engine.data.registry.DatasetReader``, for ``data.dataset = image-folder``."""
    if not config.path:
        raise ConfigError("data.path is missing; it is the folder with one folder per class")
    return read_image_folder(
        Path(config.path), test_fraction=config.test_fraction, clean_names=config.clean_names
    )


def read_image_folder(
    root: Path, *, test_fraction: float = 0.5, clean_names: bool = False
) -> Dataset:
    """Read the layout described in this module's docstring; no image is decoded.

    Without a test split, ``test_fraction`` (0 to 1) of each class is kept for testing, drawn from
    the files' names alone: it doesn't depend on the run's seed, so runs with different seeds are
    measured on the same images. ``clean_names`` writes folders' names as words
    (``engine.data.readers.class_names.cleaned``).

    Raises:
        DataError: naming the folder, file, key or class, and what to do about it.
    """
    root = user_path(str(root))
    shown = readable_name(str(root))
    _check_folder(root, shown)
    settings = read_settings(root / SETTINGS_FILE)
    files = VisibleFiles(root, settings.ignore)
    layout = find_layout(files, settings.classes)
    folders = [folder.name for folder in layout.classes]
    _check_settings(root, folders, settings)
    names = class_names(folders, settings.classes, clean_names)
    check_distinct(shown, folders, names, clean_names)

    reader = _Reader(files)
    train: list[LabelledImage] = []
    test: list[LabelledImage] = []
    untested: list[str] = []
    for label, folder in enumerate(layout.classes):
        for_training, for_test = reader.images(folder, label, names[label], test_fraction)
        train += for_training
        test += for_test
        if not for_test:
            untested.append(names[label])
    if not test:
        raise DataError(f"{shown}: every class has a single image, so none is left for testing")
    problems = [*layout.remarks, *remarks(folders, names, settings.classes)]
    if untested:
        problems.append(f"a single image of {some_names(untested)}: none is left for testing")
    problems += [*reader.remarks(), *files.remarks()]
    return Dataset(
        name=settings.name or readable_name(root.resolve().name).replace("_", " "),
        description=settings.description or "",
        class_names=tuple(names),
        root=root,
        train=tuple(train),
        test=tuple(test),
        problems=tuple(problems),
    )


def _check_folder(root: Path, shown: str) -> None:
    if why_not_there(root) is not None:
        raise DataError(f"{shown}: no such folder (data.path)")
    if not root.is_dir():
        raise DataError(f"{shown}: not a folder; data.path is the folder with one folder per class")


def _check_settings(root: Path, folders: Sequence[str], settings: FolderSettings) -> None:
    known = [same_name(readable_name(folder)) for folder in folders]
    unknown = [folder for folder in settings.classes if folder not in set(known)]
    if unknown:
        near = nearest(unknown[0], known)
        hint = f"; did you mean {quoted(near)}?" if near is not None else ""
        if unknown[0] in KEYS:
            hint = f"; {unknown[0]} belongs at the top of the file, before the first [table]"
        raise DataError(
            f"{root / SETTINGS_FILE}: classes has {quoted(unknown[0])}, "
            f"but there is no such class folder{hint}"
        )


class _Reader:
    """Finds the images in class folders, and counts the files that are none."""

    def __init__(self, files: VisibleFiles) -> None:
        self._files = files
        self._others: dict[str, list[str]] = defaultdict(list)  # by ending
        self._read: dict[str, tuple[str, str]] = {}  # folder and its class folder, by real path

    def images(
        self, folder: ClassFolder, label: int, name: str, test_fraction: float
    ) -> tuple[list[LabelledImage], list[LabelledImage]]:
        """The training and the test images of a class."""
        train = self._images(folder.train, label, name)
        if folder.test is not None:
            return train, self._images(folder.test, label, name)
        return split_off_test(train, test_fraction)

    def remarks(self) -> list[str]:
        """What was passed over in the class folders, most frequent endings first."""
        kinds = sorted(self._others.items(), key=lambda item: -len(item[1]))
        if not kinds:
            return []
        shown = "; ".join(f"{kind}: {some_paths(paths)}" for kind, paths in kinds[:_MAX_KINDS])
        more = sum(len(paths) for _, paths in kinds[_MAX_KINDS:])
        return [f"passed over, no images: {shown}" + (f"; {more} others" if more else "")]

    def _check_not_read(self, path: str, folder: str) -> None:
        """See that the folder of this file was read for no other class or split.

        Raises:
            DataError: naming both.
        """
        own = path.rpartition("/")[0]
        first, before = self._read.setdefault(self._files.real(own), (own, folder))
        if first == own or before == folder:
            return
        link = self._files.link(own) or self._files.link(first) or own
        raise DataError(
            f"{readable_name(str(self._files.root))}: {quoted(first)} and {quoted(own)} are one "
            "folder, by a link: its pictures can't be of two classes or splits. Put a folder of "
            f"its own in the link's place, or write ignore = [{toml_text(readable_name(link))}] in "
            f"{SETTINGS_FILE}"
        )

    def _images(self, folder: str, label: int, class_name: str) -> list[LabelledImage]:
        paths: list[str] = []
        others: Counter[str] = Counter()
        for path in self._files.below(folder):
            self._check_not_read(path, folder)
            if self._is_image(path):
                paths.append(path)
            else:
                kind = readable_name(ending(path)) or "no ending"
                others[kind] += 1
                self._others[kind].append(path)
        if not paths:
            has = ", ".join(f"{count} x {kind}" for kind, count in others.most_common(3))
            where = readable_name(str(self._files.root / folder))
            own = readable_name(folder.rpartition("/")[2])
            raise DataError(
                f"{where}: the class {quoted(class_name)} is empty: no images in it"
                + (f" (it has {has}; images end in {', '.join(sorted(SUFFIXES))})" if has else "")
                + f'. If it is no class, write ignore = ["{own}"] in {SETTINGS_FILE}'
            )
        return [LabelledImage(path, label) for path in sorted(paths, key=natural_key)]

    def _is_image(self, path: str) -> bool:
        if is_image_name(path):
            return True
        return ending(path) not in _NO_IMAGES and is_image_file(f"{self._files.root}/{path}")

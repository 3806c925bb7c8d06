"""The general reader: a folder with one folder of images per class.

    root/<class>/*                               split here, per class
    root/train/<class>/*  root/test/<class>/*    split by the folders

``root/val`` (``valid``, ``validation``) is the test split where there is no ``root/test``; beside
a ``root/test`` it is left unused, because neither the search nor the evaluation needs it.

Class folders are read to any depth. Hidden files and folders, and files that aren't images by
their ending, are passed over. Symbolic links are followed. An optional ``root/dataset.toml``:

    name = "Garden birds"
    description = "Photos of garden birds at a feeder."
    [classes]                  # folder = "class name"; default: the folder's name, _ as space
    parus_major = "great tit"
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from engine.data.dataset import Dataset, LabelledImage, natural_key
from engine.data.images import SUFFIXES
from engine.data.sampling import some_names, split_off_test
from engine.errors import DataError

SETTINGS_FILE = "dataset.toml"
_TRAIN = ("train", "training")
_TEST = ("test", "testing")
_VALIDATION = ("val", "valid", "validation")


@dataclass(frozen=True, slots=True)
class _Settings:
    """The content of dataset.toml."""

    name: str | None = None
    description: str | None = None
    classes: dict[str, str] = field(default_factory=dict)


def read_image_folder(root: Path, *, test_fraction: float = 0.5) -> Dataset:
    """Read the layout described in this module's docstring; no image is opened.

    Without a test split, ``test_fraction`` (0 to 1) of each class is kept for testing, drawn from
    the files' names alone: it doesn't depend on the run's seed, so runs with different seeds are
    measured on the same images.

    Raises:
        DataError: naming the folder, file, key or class, and what to do about it.
    """
    root = Path(root).expanduser()
    _check_folder(root)
    settings = _read_settings(root / SETTINGS_FILE)
    train_folder, test_folder, problems = _split_folders(root)
    folders = _class_folders(train_folder)
    if test_folder is not None:
        _check_same_classes(train_folder, folders, test_folder, _class_folders(test_folder))
    names = _class_names(root, folders, settings)

    train: list[LabelledImage] = []
    test: list[LabelledImage] = []
    untested: list[str] = []
    for label, folder in enumerate(folders):
        items = _images(root, train_folder / folder, label, names[label])
        if test_folder is not None:
            train += items
            test += _images(root, test_folder / folder, label, names[label])
            continue
        for_training, for_test = split_off_test(items, test_fraction)
        train += for_training
        test += for_test
        if not for_test:
            untested.append(names[label])
    if not test:
        raise DataError(f"{root}: every class has a single image, so none is left for testing")
    if untested:
        problems.append(f"a single image of {some_names(untested)}: none is left for testing")
    return Dataset(
        name=settings.name or root.resolve().name.replace("_", " "),
        description=settings.description or "",
        class_names=tuple(names),
        root=root,
        train=tuple(train),
        test=tuple(test),
        problems=tuple(problems),
    )


def _check_folder(root: Path) -> None:
    if not root.exists():
        raise DataError(f"{root}: no such folder (data.path)")
    if not root.is_dir():
        raise DataError(f"{root}: not a folder; data.path is the folder with one folder per class")


def _folders_in(folder: Path) -> list[str]:
    """Names of the visible folders inside, in natural order."""
    try:
        names = [
            entry.name
            for entry in os.scandir(folder)
            if not entry.name.startswith((".", "__MACOSX")) and entry.is_dir()
        ]
    except OSError as error:
        raise DataError(f"{folder}: can't be read: {error.strerror or error}") from error
    return sorted(names, key=natural_key)


def _split_folders(root: Path) -> tuple[Path, Path | None, list[str]]:
    """The folder that holds the train classes, the one with the test classes, and remarks.

    A data set of vehicles may well have a class ``train``, so the names alone decide nothing:
    split folders are ones that stand alone, or ``train`` together with a test split.
    """
    by_name = {name.casefold(): name for name in _folders_in(root)}
    train = next((by_name[name] for name in _TRAIN if name in by_name), None)
    tests = [by_name[name] for name in (*_TEST, *_VALIDATION) if name in by_name]
    others = [name for name in by_name.values() if name != train and name not in tests]
    if train is None or (not tests and others):
        return root, None, []
    problems = [f"{root / name}: left unused" for name in [*tests[1:], *others]]
    return root / train, root / tests[0] if tests else None, problems


def _class_folders(folder: Path) -> list[str]:
    folders = _folders_in(folder)
    if not folders:
        loose = any(path.suffix.lower() in SUFFIXES for path in folder.iterdir())
        found = "images but no class folders" if loose else "no class folders"
        raise DataError(
            f"{folder}: {found}; put the images of each class into a folder named after the class"
        )
    if len(folders) == 1:
        raise DataError(
            f"{folder}: one class only ({folders[0]!r}); classification needs two or more"
        )
    return folders


def _check_same_classes(
    train_folder: Path, train: Sequence[str], test_folder: Path, test: Sequence[str]
) -> None:
    missing = [name for name in train if name not in set(test)]
    extra = [name for name in test if name not in set(train)]
    if missing or extra:
        parts = [
            f"{some_names(names)} only in {folder.name}"
            for names, folder in ((missing, train_folder), (extra, test_folder))
            if names
        ]
        raise DataError(
            f"{train_folder.parent}: the splits have different classes: {'; '.join(parts)}"
        )


def _class_names(root: Path, folders: Sequence[str], settings: _Settings) -> list[str]:
    unknown = [folder for folder in settings.classes if folder not in set(folders)]
    if unknown:
        near = get_close_matches(unknown[0], folders, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"{root / SETTINGS_FILE}: classes has {unknown[0]!r}, "
            f"but there is no such class folder{hint}"
        )
    names = [
        # A folder's name may hold tabs or line breaks; a class name is one line of text.
        " ".join(settings.classes.get(folder, folder.replace("_", " ")).split())
        for folder in folders
    ]
    for name, count in Counter(names).items():
        if count > 1 or not name:
            same = [folder for folder, own in zip(folders, names, strict=True) if own == name]
            raise DataError(
                f"{root}: the folders {some_names(same)} have the class name {name!r}; "
                f"give each class a name of its own in {SETTINGS_FILE} ([classes])"
            )
    return names


def _images(root: Path, folder: Path, label: int, class_name: str) -> list[LabelledImage]:
    others: Counter[str] = Counter()
    paths = []
    for path in _files(folder, set()):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            paths.append(path.relative_to(root).as_posix())
        else:
            others[suffix or "no ending"] += 1
    if not paths:
        found = ", ".join(f"{count} x {suffix}" for suffix, count in others.most_common(3))
        raise DataError(
            f"{folder}: the class {class_name!r} is empty: no images in it"
            + (f" (it has {found}; images end in {', '.join(sorted(SUFFIXES))})" if found else "")
        )
    return [LabelledImage(path, label) for path in sorted(paths, key=natural_key)]


def _files(folder: Path, above: set[str]) -> Iterator[Path]:
    """All visible files below ``folder``; a link back to a folder above is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise DataError(f"{folder}: can't be read: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path), above | {real})
        else:
            yield Path(entry.path)


def _read_settings(path: Path) -> _Settings:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    known = ("name", "description", "classes")
    for key in content:
        if key not in known:
            raise DataError(f"{path}: unknown key {key!r}; allowed are {', '.join(known)}")
    classes = content.get("classes", {})
    if not isinstance(classes, dict):
        raise DataError(f'{path}: classes must be a table of folder = "class name"')
    return _Settings(
        name=_text(path, "name", content.get("name")),
        description=_text(path, "description", content.get("description")),
        classes={
            folder: _text(path, f"classes.{folder}", name) or folder
            for folder, name in classes.items()
        },
    )


def _text(path: Path, key: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{path}: {key} is {value!r}; it must be a text")
    return value.strip()

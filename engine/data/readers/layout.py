"""Which folders are classes and which are splits.

A data set of vehicles may well have a class ``train``, so the names alone decide nothing: split
folders hold folders, and are ones that stand alone, or a training split together with another.
What can't be told is refused, with the ways to say it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine.common.errors import DataError
from engine.common.names import quoted, readable_name, same_name, some_names
from engine.data.readers.folder_settings import SETTINGS_FILE
from engine.data.readers.split_names import (
    holds_images,
    holds_labelled,
    is_plain_split,
    is_unlabelled,
    lies_beside_images,
    split_of,
)
from engine.data.readers.visible_files import VisibleFiles, is_image_name, some_paths

_DEPTH = 4  # of folders that only hold another one
_LOOKED_AT = 2000  # files of a folder, to see whether there is any image in it


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """The folders of one class, as paths below the root; ``test`` is None where there is none."""

    name: str  # as on the disk
    train: str
    test: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The class folders in natural order, whether they are split, and what is to be said."""

    classes: tuple[ClassFolder, ...]
    is_split: bool
    remarks: list[str] = field(default_factory=list)


def find_layout(files: VisibleFiles, named: Container[str]) -> Layout:
    """Look at the folders' names and at what is in them; no file is opened.

    Args:
        files: of the data set.
        named: ``same_name`` of folders that a person said are classes.

    Raises:
        DataError: naming the folders, and how to say what they are.
    """
    return _Finder(files, named).find()


class _Finder:
    def __init__(self, files: VisibleFiles, named: Container[str]) -> None:
        self._files = files
        self._named = named
        self._remarks: list[str] = []

    def find(self) -> Layout:
        base = self._unwrapped("")
        splits = self._splits(base)
        if splits is None:
            return self._without_splits(base)
        train, test = splits
        classes = self._class_folders(train)
        if test is None:
            return Layout(
                tuple(ClassFolder(n, _join(train, n)) for n in classes), False, self._remarks
            )
        in_test = {same_name(name): name for name in self._class_folders(test)}
        self._check_same_classes(train, classes, test, in_test)
        found = [
            ClassFolder(name, _join(train, name), _join(test, in_test[same_name(name)]))
            for name in classes
        ]
        return Layout(tuple(found), True, self._remarks)

    # -- folders that hold nothing but another ---------------------------------------------

    def _unwrapped(self, folder: str) -> str:
        """``folder``, or the one inside that holds all of its images: ``images``, ``data``."""
        for _ in range(_DEPTH):
            listing = self._files.listing(folder)
            own = folder.rpartition("/")[2] or self._files.root.resolve().name
            inner = [
                name
                for name in listing.folders
                if holds_images(name)
                or holds_labelled(name)
                or same_name(name).casefold() == same_name(own).casefold()
                or (len(listing.folders) == 1 and self._holds_splits(_join(folder, name)))
            ]
            others = [name for name in listing.folders if name not in inner]
            if (
                len(inner) != 1
                or any(map(is_image_name, listing.files))
                or any(same_name(name) in self._named for name in listing.folders)
                or not self._files.listing(_join(folder, inner[0])).folders
                or any(
                    not is_unlabelled(name)
                    and (split_of(name) or self._has_images(_join(folder, name)))
                    for name in others
                )
            ):
                break
            self._leave(folder, others)
            folder = _join(folder, inner[0])
        return folder

    def _holds_splits(self, folder: str) -> bool:
        kinds = {split[0] for n in self._files.listing(folder).folders if (split := split_of(n))}
        return "train" in kinds and len(kinds) > 1

    def _has_images(self, folder: str) -> bool:
        return any(map(is_image_name, islice(self._files.below(folder), _LOOKED_AT)))

    def _leave(self, folder: str, names: Iterable[str]) -> None:
        self._remarks += [f"{self._where(_join(folder, name))}: left unused" for name in names]

    # -- splits by folders at the top ---------------------------------------------------------

    def _splits(self, base: str) -> tuple[str, str | None] | None:
        """The folders of the training and the test classes; None where all are classes."""
        folders = self._files.listing(base).folders
        unlabelled = [n for n in folders if is_unlabelled(n) and same_name(n) not in self._named]
        folders = tuple(name for name in folders if name not in unlabelled)
        found = {n: s for n in folders if same_name(n) not in self._named and (s := split_of(n))}
        if not found:
            return None
        if len(folders) == 1:
            kind = found[folders[0]][0]
            self._leave(base, unlabelled)
            if kind != "train":
                self._remarks.append(f"{folders[0]} is the only split: its images are split here")
            return self._unwrapped(_join(base, folders[0])), None
        train = self._training_split(base, folders, found)
        if train is None:
            return None
        folder = self._unwrapped(_join(base, train))
        rest = found[train][1]
        tests = [
            name
            for kind in ("test", "val")
            for name in sorted(folders, key=lambda name: not is_plain_split(name))
            if found.get(name) == (kind, rest)
        ]
        others = [name for name in folders if name != train and name not in tests]
        if not self._files.listing(folder).folders:
            if self._has_own_images(folder) and any(
                self._has_own_images(_join(base, name)) for name in others
            ):
                return None  # a class among others
            self._class_folders(folder)  # says that there are none
        test = self._test_split(base, tests, folder)
        self._leave(base, [*(name for name in tests if name != test), *others, *unlabelled])
        return folder, self._unwrapped(_join(base, test))

    def _training_split(
        self,
        base: str,
        folders: Sequence[str],
        found: Mapping[str, tuple[str, tuple[str, ...]]],
    ) -> str | None:
        """The name of the training split that has a test split beside it."""
        pairs = [
            name
            for name, (kind, rest) in found.items()
            if kind == "train" and any(o != "train" and rest == r for o, r in found.values())
        ]
        for chosen in (
            [name for name in pairs if is_plain_split(name)],
            [name for name in pairs if not found[name][1]],
            pairs,
        ):
            if len(chosen) == 1:
                return chosen[0]
        if not pairs and not any(self._files.listing(_join(base, name)).folders for name in found):
            return None  # classes that are called so
        if len(pairs) > 1:
            what = f"{some_names(pairs)} could each be the training split"
        else:
            what = (
                f"there is no pair of a training and a test split among {some_names(list(found))}"
            )
        raise DataError(
            f"{self._where(base)} holds {some_names(folders)}: {what}. "
            f"{self._ways_out(list(found))}"
        )

    def _test_split(self, base: str, tests: Sequence[str], train: str) -> str:
        """The first split with class folders of the training split's names."""
        classes = {same_name(name) for name in self._files.listing(train).folders}
        found: list[str] = []
        for name in tests:
            inside = self._files.listing(self._unwrapped(_join(base, name))).folders
            if classes & {same_name(folder) for folder in inside}:
                return name
            found += inside
        mend = (
            f"({some_names(sorted(classes))}) in {some_names(tests)}, but {some_names(found)}: "
            "give them the same names"
            if found
            else f"in {some_names(tests)}; sort the images there into class folders"
        )
        raise DataError(
            f"{self._where(base)}: no class folders like those of {train.rpartition('/')[2]} "
            f"{mend}, or write ignore = {_toml_list(tests)} in {SETTINGS_FILE}: then the training "
            "images are split here"
        )

    # -- without splits at the top ----------------------------------------------------------

    def _without_splits(self, base: str) -> Layout:
        classes = self._class_folders(base)
        inside = {name: self._split_inside(_join(base, name)) for name in classes}
        without = [name for name, split in inside.items() if split is None]
        if not without:
            self._look_for_splits(base, classes, [inside[name][0] for name in classes])  # type: ignore[index]
            found = tuple(ClassFolder(name, *inside[name]) for name in classes)  # type: ignore[misc]
            return Layout(found, True, self._remarks)
        if len(without) < len(classes):
            raise DataError(
                f"{self._where(base)}: some class folders hold a training and a test split, but "
                f"{some_names(without)} {'do' if len(without) > 1 else 'does'} not"
            )
        self._look_for_splits(base, classes, [_join(base, name) for name in classes])
        self._look_for_holders(base, classes)
        return Layout(tuple(ClassFolder(n, _join(base, n)) for n in classes), False, self._remarks)

    def _split_inside(self, folder: str) -> tuple[str, str] | None:
        """The splits in one class's folder."""
        names = self._files.listing(folder).folders
        if len(names) < 2 or self._has_own_images(folder):
            return None
        kinds = {split[0]: name for name in names if (split := split_of(name)) and not split[1]}
        test = kinds.get("test", kinds.get("val"))
        if "train" not in kinds or test is None:
            return None
        return _join(folder, kinds["train"]), _join(folder, test)

    def _look_for_splits(self, base: str, classes: Sequence[str], looked_in: list[str]) -> None:
        """Splits and domains under names that nobody knows hold the same folders each."""
        inside = [self._inner_names(folder) for folder in looked_in]
        shared, union = set.intersection(*inside), set.union(*inside)
        if len(shared) < 2 or 2 * len(shared) < len(union):
            return
        what = (
            f"{self._where(base)}: {some_names(classes)} hold the same folders "
            f"({some_names(sorted(shared))}) and no images of their own"
        )
        named = any(same_name(name) in self._named for name in classes)
        if len(classes) <= max(3, len(shared)) and not named:
            raise DataError(
                f"{what}: they look like splits or domains rather than classes. "
                f"{self._ways_out(classes)}"
            )
        self._remarks.append(f"{what}: if those are the classes, give one of them as data.path")

    def _look_for_holders(self, base: str, classes: Sequence[str]) -> None:
        """Among classes, a folder of class folders, or one of images of no class."""
        inside = {name: self._inner_names(_join(base, name)) for name in classes}
        holders = [name for name in classes if len(inside[name]) > 1]
        others = [name for name in classes if self._has_own_images(_join(base, name))]
        if holders and others and len(holders) + len(others) == len(classes):
            one = len(holders) == 1
            self._remarks.append(
                f"{self._where(base)}: {some_names(holders)} "
                f"{'is' if one else 'are'} taken for {'a class' if one else 'classes'}, with all "
                f"that is in the folders inside ({some_names(sorted(inside[holders[0]]))}), beside "
                f"{some_names(others)}; if those inside "
                f"are the classes, give {self._where(_join(base, holders[0]))} as data.path"
            )
        unlabelled = [n for n in classes if is_unlabelled(n) and same_name(n) not in self._named]
        if unlabelled:
            self._remarks.append(
                f"{self._where(base)}: {some_names(unlabelled)} is taken for a class; if it is "
                f"none, write ignore = {_toml_list(unlabelled)} in {SETTINGS_FILE}"
            )

    def _inner_names(self, folder: str) -> set[str]:
        """The folders in ``folder``, or in the only one inside it; none beside images."""
        names: tuple[str, ...] = ()
        for _ in range(_DEPTH):
            names = self._files.listing(folder).folders
            if self._has_own_images(folder):
                return set()
            if len(names) != 1:
                break
            folder = _join(folder, names[0])
        return {same_name(name) for name in names}

    # -- class folders ------------------------------------------------------------------------

    def _class_folders(self, folder: str) -> tuple[str, ...]:
        listing = self._files.listing(folder)
        loose = [name for name in listing.files if is_image_name(name)]
        where = self._where(folder)
        if not listing.folders:
            found = "images but no class folders" if loose else "no class folders"
            raise DataError(
                f"{where}: {found}; put the images of each class into a folder named after the "
                "class"
            )
        names = listing.folders
        flat = [name for name in names if holds_images(name)]
        beside = [name for name in names if lies_beside_images(name)]
        if flat and len(flat) + len(beside) == len(names) and (beside or len(names) == 1):
            raise DataError(
                f"{where} holds {some_names(names)}, not one folder per class: a layout for "
                "detection or segmentation. Sort the images into folders named after the classes"
            )
        if len(names) == 1:
            below = self._files.listing(_join(folder, names[0])).folders
            hint = (
                f"; if {some_names(below)} are the classes, give {self._where(folder)}/"
                f"{readable_name(names[0])} as data.path"
                if len(below) > 1
                else ""
            )
            raise DataError(
                f"{where}: one class only ({quoted(names[0])}); classification needs "
                f"two or more{hint}"
            )
        if loose:
            self._remarks.append(
                f"{where}: images beside the class folders are of no class, left unused: "
                f"{some_paths(loose)}"
            )
        return names

    def _check_same_classes(
        self, train: str, classes: Sequence[str], test: str, in_test: dict[str, str]
    ) -> None:
        known = {same_name(name) for name in classes}
        missing = [name for name in classes if same_name(name) not in in_test]
        extra = [name for key, name in in_test.items() if key not in known]
        if not missing and not extra:
            return
        parts = [
            f"{some_names(names)} only in {split}"
            for names, split in ((missing, train), (extra, test))
            if names
        ]
        raise DataError(
            f"{self._where('')}: the splits have different classes: {'; '.join(parts)}. Add what "
            f"is missing, or leave them out: ignore = {_toml_list([*missing, *extra])} in "
            f"{SETTINGS_FILE}"
        )

    def _has_own_images(self, folder: str) -> bool:
        return any(map(is_image_name, self._files.listing(folder).files))

    def _ways_out(self, names: Sequence[str]) -> str:
        name = readable_name(names[0])
        return (
            "Call the splits train and test; or give the folder that holds the class folders as "
            f"data.path; or write in {SETTINGS_FILE} ignore = {_toml_list(names[:1])} to leave it "
            f"out, or [classes] {_toml_key(name)} = {toml_text(name)} where it is a class"
        )

    def _where(self, folder: str) -> str:
        return readable_name(str(self._files.root / folder))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _toml_list(names: Sequence[str]) -> str:
    shown = ", ".join(toml_text(readable_name(name)) for name in names[:5])
    return f"[{shown}{', ...' if len(names) > 5 else ''}]"


def toml_text(text: str) -> str:
    """A text in quotes, as TOML has it."""
    return f'"{text}"' if '"' not in text and "\\" not in text else f"'{text}'"


def _toml_key(text: str) -> str:
    return text if text.isascii() and text.replace("-", "").isalnum() else toml_text(text)

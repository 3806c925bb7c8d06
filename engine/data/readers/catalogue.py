"""The data sets of the catalogue: finds which form of one is here, and reads it.

Below the folder with the data sets (``data.path``, or ``engine.common.data_folder``) a set is
looked for in CoOp's layout (``oxford_pets/``), as tars (``wds_.../test/*.tar``), and as torchvision
has it. ``data.path`` may be the set's own folder too. The hub is asked only where ``data.source``
says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Literal, Protocol

from engine.common.data_folder import data_folder
from engine.common.errors import DataError
from engine.common.names import readable_name
from engine.common.user_path import user_path
from engine.config import DataConfig
from engine.data.catalogue.entry import Entry
from engine.data.catalogue.table import catalogue
from engine.data.dataset import Dataset
from engine.data.readers.coop_split import PLAIN_SPLIT
from engine.data.readers.listed import classes_of, how_to_get, made_dataset

Form = Literal["folder", "webdataset", "torchvision"]
FORMS: tuple[Form, ...] = ("folder", "webdataset", "torchvision")


class LayoutReader(Protocol):
    """Reads a data set from its own folder: the lists in it, no image."""

    def __call__(self, entry: Entry, folder: Path, config: DataConfig, /) -> Dataset:
        """
        Raises:
            DataError: naming the folder or the file, and what is wrong with it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a data set is, in which form."""

    form: Form
    folder: Path


def read(config: DataConfig) -> Dataset:
    """As ``engine.data.registry.DatasetReader``, for the names of the catalogue."""
    entry = catalogue()[config.dataset]
    if config.source == "hub":
        from engine.data.readers import hub

        return hub.read(entry, config)
    base = base_folder(config)
    wanted = [p for p in places(entry, base) if config.source in ("auto", p.form)]
    if not wanted:
        what = f" as {config.source}" if config.source != "auto" else ""
        raise DataError(
            f"{readable_name(str(base))}: {entry.title} is not there{what}; looked for "
            f"{', '.join(_looked_for(entry))}. {how_to_get(entry)}"
        )
    return read_place(entry, wanted[0], config)


def base_folder(config: DataConfig) -> Path:
    """The folder with the data sets, or with the one that is asked for."""
    return user_path(config.path) if config.path else data_folder()


def places(entry: Entry, base: Path) -> list[Place]:
    """Where below ``base`` this data set is, first the form that is read first. Opens nothing."""
    found = []
    for folder in (base / entry.layout.folder, base):
        if folder.is_dir() and _is_laid_out(entry, folder, own=folder == base):
            found.append(Place("folder", folder))
    for folder in _tar_folders(entry, base):
        if (folder / "test").is_dir() and any((folder / "test").glob("*.tar")):
            found.append(Place("webdataset", folder))
    if entry.torchvision is not None and (base / entry.torchvision.needs).exists():
        found.append(Place("torchvision", base))
    return found


def read_place(entry: Entry, place: Place, config: DataConfig) -> Dataset:
    """Read the data set where it is.

    Raises:
        DataError: naming the folder or the file, and what is wrong with it.
    """
    match place.form:
        case "folder":
            reader: LayoutReader = resolve_name(entry.layout.reader)
            return reader(entry, place.folder, config)
        case "webdataset":
            return _read_tars(entry, place.folder)
        case "torchvision":
            from engine.data.readers import torchvision_sets

            return torchvision_sets.read(entry, place.folder, config.test_fraction)


def _is_laid_out(entry: Entry, folder: Path, *, own: bool) -> bool:
    """Whether a folder looks like the data set's; ``own``: it may be that of all sets instead."""
    layout = entry.layout
    if layout.split:  # the images alone may be another data set's
        files = [layout.split] if own else [layout.split, PLAIN_SPLIT, layout.images or "cars_test"]
        return any((folder / file).exists() for file in files)
    return any((folder / sign).exists() for sign in layout.signs or (layout.images,))


def _tar_folders(entry: Entry, base: Path) -> list[Path]:
    if entry.tars is None:
        return []
    name = entry.tars.repository.rpartition("/")[2]
    return [base / name, base / entry.layout.folder, base]


def _looked_for(entry: Entry) -> list[str]:
    looked = [f"{entry.layout.folder}/{entry.layout.images}".rstrip("/")]
    if entry.tars is not None:
        looked.append(f"{entry.tars.repository.rpartition('/')[2]}/test/*.tar")
    if entry.torchvision is not None:
        looked.append(f"{entry.torchvision.needs} (torchvision)")
    return looked


def _read_tars(entry: Entry, folder: Path) -> Dataset:
    from engine.data.catalogue.class_list import class_list
    from engine.data.readers.folder_index import index_class_folders
    from engine.data.readers.imagenet import check_folders, split_folder, wordnet_ids
    from engine.data.readers.webdataset import TarSource, read_tars
    from engine.data.sources import FolderSource, ImageSource, SplitSource

    classes = classes_of(entry)
    test = read_tars(entry, folder, "test", classes)
    trained_source: ImageSource
    if not entry.trained_on:
        train = read_tars(entry, folder, "train", classes)
        trained_source = TarSource(folder / "train")
    else:
        trained_on = catalogue()[entry.trained_on]
        base = folder.parent
        here = [p for p in places(trained_on, base) if p.form != "torchvision"]
        if not here:
            raise DataError(
                f"{readable_name(str(base))}: {trained_on.title} is not there, and prompts for "
                f"{entry.title} are found on its images. {how_to_get(trained_on)}"
            )
        if here[0].form == "folder":
            images = split_folder(trained_on, here[0].folder, "train")
            check_folders(trained_on, images, wordnet_ids(classes))
            train = index_class_folders(images, wordnet_ids(classes), "train")
            trained_source = FolderSource(images)
        else:
            full = class_list(trained_on.classes)
            within = full if entry.subset else None
            train = read_tars(trained_on, here[0].folder, "train", classes, within)
            trained_source = TarSource(here[0].folder / "train")
    said = []
    if len(test) != entry.test:
        said.append(f"{entry.title} has {entry.test:,} test images; here are {len(test):,}")
    source = SplitSource(trained_source, TarSource(folder / "test"))
    return made_dataset(entry, folder, train, test, said, source)

"""What ``glov datasets`` says: of all data sets a line, of one all that is known and found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.errors import UserError
from engine.common.record import Record
from engine.config import DataConfig
from engine.data.catalogue.table import catalogue
from engine.data.readers.catalogue import base_folder, places
from engine.data.registry import QUESTIONS, find_dataset, load_dataset

if TYPE_CHECKING:
    from engine.data.catalogue.entry import Entry
    from engine.data.dataset import Dataset

_SHOWN = 6  # sample images


class DatasetPlace(Record):
    """Where a data set is on this machine."""

    form: str
    folder: str


class DatasetLine(Record):
    """One data set in the list. Numbers and places are of the known sets only."""

    summary: str
    here: tuple[DatasetPlace, ...] = ()
    classes: int | None = None
    train: int | None = None
    test: int | None = None


class DatasetRead(Record):
    """What was found when a data set was read; ``error`` says why it could not be."""

    form: str | None = None
    folder: str | None = None
    error: str | None = None
    classes: int | None = None
    train: int | None = None
    test: int | None = None
    split: str | None = None  # "CoOp's" or "another", where a split file says
    problems: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()  # of the sample images
    fingerprint: str | None = None


class DatasetFacts(Record):
    """What is known of a data set, how to get it, and what is here of it."""

    name: str
    title: str
    description: str
    table: str | None = None  # its name in the paper's tables
    foci: bool = False
    here: tuple[DatasetPlace, ...] = ()
    downloads: tuple[str, ...] = ()  # what --fetch gets
    steps: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    hub: str | None = None
    tars: str | None = None
    found: DatasetRead | None = None  # None where it is not here


def line_of(name: str, summary: str, path: Path | None) -> DatasetLine:
    entry = catalogue().get(name)
    if entry is None:
        return DatasetLine(summary=summary)
    from engine.data.readers.listed import classes_of

    config = DataConfig(dataset=name, path=None if path is None else str(path))
    return DatasetLine(
        summary=summary,
        here=places_of(entry, config),
        classes=len(classes_of(entry).names),
        train=entry.train,
        test=entry.test,
    )


def places_of(entry: Entry, config: DataConfig) -> tuple[DatasetPlace, ...]:
    return tuple(
        DatasetPlace(form=place.form, folder=str(place.folder))
        for place in places(entry, base_folder(config))
    )


def facts_of(entry: Entry | None, config: DataConfig, found: DatasetRead | None) -> DatasetFacts:
    if entry is None:
        return DatasetFacts(
            name=config.dataset,
            title=config.dataset,
            description=find_dataset(config).summary,
            found=found,
        )
    hub, tars = entry.hub, entry.tars
    return DatasetFacts(
        name=entry.name,
        title=entry.title,
        description=entry.description,
        table=entry.table or None,
        foci=entry.foci,
        here=places_of(entry, config),
        downloads=tuple(one.url for one in entry.downloads),
        steps=entry.steps,
        dead=entry.dead,
        notes=(*entry.notes, *([hub.unverified] if hub is not None and hub.unverified else [])),
        hub=f"{hub.repository}@{hub.revision}" if hub is not None else None,
        tars=f"{tars.repository}@{tars.revision}" if tars is not None else None,
        found=found,
    )


def read_here(entry: Entry | None, config: DataConfig) -> tuple[Dataset | None, DatasetRead | None]:
    """The data set and what is to be said of it; nothing where it is not here."""
    here = []
    if entry is not None and config.source != "hub":
        here = [p for p in places_of(entry, config) if config.source in ("auto", p.form)]
        if not here:
            return None, None
    if entry is None and config.dataset in ("image-folder", QUESTIONS) and not config.path:
        return None, None
    place = here[0] if here else None
    where: dict[str, Any] = {
        "form": place.form if place else config.source,
        "folder": place.folder if place else config.path,
    }
    try:
        dataset = load_dataset(config)
    except UserError as error:
        return None, DatasetRead(**where, error=str(error))
    return dataset, DatasetRead(
        **where,
        classes=len(dataset.class_names),
        train=len(dataset.train),
        test=len(dataset.test),
        split=_split(entry, place),
        problems=dataset.problems,
        unreadable=tuple(_unreadable(dataset)),
        fingerprint=dataset.fingerprint(),
    )


def _split(entry: Entry | None, place: DatasetPlace | None) -> str | None:
    """Whether the split file is CoOp's."""
    if entry is None or place is None or place.form != "folder" or not entry.layout.digest:
        return None
    from engine.data.readers.coop_split import read_split, split_digest, split_file
    from engine.data.readers.listed import classes_of

    file = split_file(entry, Path(place.folder))
    if file is None:
        return None
    own = split_digest(read_split(file, classes_of(entry))) == entry.layout.digest
    return "CoOp's" if own else "another"


def samples(dataset: Dataset) -> list[tuple[str, str]]:
    """Paths and class names of some test images, of classes far from each other."""
    from engine.data.readers.question_rows import QuestionSet

    shown = dataset.test
    if isinstance(dataset, QuestionSet):  # some are asked without an image
        shown = tuple(item for item in shown if dataset.rows[item.path].image is not None)
    groups = [group for group in dataset.by_class(shown) if len(group)]
    step = max(1, len(groups) // _SHOWN)
    firsts = [group[0] for group in groups[::step][:_SHOWN]]
    return [(item.path, dataset.class_names[item.label]) for item in firsts]


def _unreadable(dataset: Dataset) -> Iterator[str]:
    from engine.data.images import UnreadableImageError, read_image

    for path, _ in samples(dataset):
        try:
            read_image(dataset.images.file(path))
        except UnreadableImageError as error:
            yield f"{path}: {error}"

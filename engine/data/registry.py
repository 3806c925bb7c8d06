"""Data sets by name. Importing this loads no heavy library; reading a data set opens no image.

Every run asks it before the first paint, most of them for the demo or for a folder of images: the
catalogue is imported when it is asked for.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Protocol

from engine.common.errors import ConfigError
from engine.common.names import quoted, what_there_is
from engine.config import DataConfig
from engine.data.demo_world import DEMO
from engine.data.demo_world.vocabulary import TASKS

if TYPE_CHECKING:
    from engine.data.dataset import Dataset


class DatasetReader(Protocol):
    """Reads a data set: classes and image files, none of them opened."""

    def __call__(self, config: DataConfig, /) -> Dataset:
        """
        Raises:
            ConfigError: if a key that it needs is missing.
            DataError: if the data set can't be used as it is.
        """
        ...


QUESTIONS = "questions"
"""The data set of harmful questions, for one way of answering only."""


@dataclass(frozen=True, slots=True)
class RegisteredDataset:
    """A data set that ``data.dataset`` can name; ``summary`` is one line for a list.

    ``reader`` is where its ``DatasetReader`` is, ``module:name``: imported when it is asked for.
    """

    name: str
    summary: str
    reader: str

    def read(self, config: DataConfig) -> Dataset:
        """As its reader."""
        reader: DatasetReader = resolve_name(self.reader)
        return reader(config)


DATASETS: tuple[RegisteredDataset, ...] = (
    RegisteredDataset(
        "image-folder",
        "your own images: data.path, with one folder per class",
        "engine.data.readers.image_folder:read",
    ),
    RegisteredDataset(
        QUESTIONS,
        "harmful questions, some with an image: data.path, for vlm.answer = refusal",
        "engine.data.readers.question_rows:read",
    ),
    *(
        RegisteredDataset(
            f"{DEMO}{task}", f"demo: {about.description}", "engine.data.demo_world.reading:read"
        )
        for task, about in TASKS.items()
    ),
)
"""Data sets besides those of the catalogue, the general reader first."""


def registered_datasets() -> dict[str, RegisteredDataset]:
    """All data sets by name, those of the catalogue last."""
    from engine.data.catalogue.table import CATALOGUE

    published = (
        RegisteredDataset(
            entry.name, f"{entry.title}: {entry.description}", "engine.data.readers.catalogue:read"
        )
        for entry in CATALOGUE
    )
    return {dataset.name: dataset for dataset in (*DATASETS, *published)}


def find_dataset(config: DataConfig) -> RegisteredDataset:
    """The data set that the configuration names; reads nothing.

    Raises:
        ConfigError: if there is no data set of that name; lists those there are.
    """
    for dataset in DATASETS:
        if dataset.name == config.dataset:
            return dataset
    known = registered_datasets()
    if config.dataset not in known:
        raise ConfigError(
            f"data.dataset is {quoted(config.dataset)}, which is not registered; "
            f"{what_there_is(config.dataset, list(known))}"
        )
    return known[config.dataset]


def load_dataset(config: DataConfig) -> Dataset:
    """Read the data set that the configuration names, with the configuration's name for it.

    Raises:
        ConfigError: if there is no data set of that name; lists those there are.
        DataError: if the data set can't be used as it is.
    """
    from engine.data.catalogue.table import catalogue

    registered = find_dataset(config)
    if config.source != "auto" and registered.name not in catalogue():
        raise ConfigError(
            f"data.source is {config.source}, which is for the known data sets "
            f"({', '.join(catalogue())}); leave it out for {config.dataset}"
        )
    dataset = registered.read(config)
    return dataclasses.replace(
        dataset,
        name=config.name or dataset.name,
        description=config.description or dataset.description,
    )

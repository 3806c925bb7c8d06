"""Data sets by name. Importing this loads no heavy library; reading a data set opens no image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from engine.common.errors import ConfigError
from engine.common.names import quoted
from engine.config import DataConfig
from engine.data.dataset import Dataset
from engine.data.demo_world.vocabulary import TASKS
from engine.data.readers.generated import ensure_written

_DEMO = "demo-"


@dataclass(frozen=True, slots=True)
class RegisteredDataset:
    """A data set that ``data.dataset`` can name; ``summary`` is one line for a list."""

    name: str
    summary: str
    read: Callable[[DataConfig], Dataset]


def registered_datasets() -> dict[str, RegisteredDataset]:
    """All data sets by name, the general reader first."""
    general = RegisteredDataset(
        "image-folder", "your own images: data.path, with one folder per class", _read_folder
    )
    demo = [
        RegisteredDataset(f"{_DEMO}{task}", f"demo: {about.description}", _read_demo)
        for task, about in TASKS.items()
    ]
    return {dataset.name: dataset for dataset in (general, *demo)}


def find_dataset(config: DataConfig) -> RegisteredDataset:
    """The data set that the configuration names; reads nothing.

    Raises:
        ConfigError: if there is no data set of that name; lists those there are.
    """
    known = registered_datasets()
    if config.dataset not in known:
        near = get_close_matches(config.dataset, known, n=1)
        hint = f"did you mean {quoted(near[0])}? " if near else ""
        raise ConfigError(
            f"data.dataset is {quoted(config.dataset)}, which is not registered; "
            f"{hint}Registered are {', '.join(known)}"
        )
    return known[config.dataset]


def load_dataset(config: DataConfig) -> Dataset:
    """Read the data set that the configuration names, with the configuration's name for it.

    Raises:
        ConfigError: if there is no data set of that name; lists those there are.
        DataError: if the data set can't be used as it is.
    """
    dataset = find_dataset(config).read(config)
    return dataclasses.replace(
        dataset,
        name=config.name or dataset.name,
        description=config.description or dataset.description,
    )


def _read_folder(config: DataConfig) -> Dataset:
    if not config.path:
        raise ConfigError("data.path is missing; it is the folder with one folder per class")
    from engine.data.readers.image_folder import read_image_folder  # with Pillow and numpy

    return read_image_folder(
        Path(config.path), test_fraction=config.test_fraction, clean_names=config.clean_names
    )


def _read_demo(config: DataConfig) -> Dataset:
    from engine.data.demo_world import images, vocabulary
    from engine.data.readers.image_folder import read_image_folder

    task = config.dataset.removeprefix(_DEMO)
    folder = ensure_written(
        config.dataset,
        lambda root: images.write_dataset(task, root),
        [Path(images.__file__), Path(vocabulary.__file__)],
    )
    dataset = read_image_folder(folder, test_fraction=config.test_fraction)
    return dataclasses.replace(dataset, name=task, description=TASKS[task].description)

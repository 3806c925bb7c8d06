"""The demo's data sets, drawn at first use into the cache folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from engine.config import DataConfig
from engine.data.dataset import Dataset
from engine.data.demo_world import DEMO, images, vocabulary
from engine.data.readers.generated import ensure_written
from engine.data.readers.image_folder import read_image_folder


def read(config: DataConfig) -> Dataset:
    """As ``engine.data.registry.DatasetReader``, for ``data.dataset = demo-...``."""
    task = config.dataset.removeprefix(DEMO)
    folder = ensure_written(
        config.dataset,
        lambda root: images.write_dataset(task, root),
        [Path(images.__file__), Path(vocabulary.__file__)],
    )
    dataset = read_image_folder(folder, test_fraction=config.test_fraction)
    return dataclasses.replace(dataset, name=task, description=vocabulary.TASKS[task].description)

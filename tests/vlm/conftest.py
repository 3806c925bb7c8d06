"""Random models in folders, and small image folders, made for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.config import RunConfig
from engine.data.readers import generated
from tests.support.small_models import build_model_folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Callable[[str], Path]:
    """Folder of a random model, by the name of its configuration."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = build_model_folder(tmp_path_factory.mktemp("models") / name, name)
        return made[name]

    return folder


@pytest.fixture(scope="session")
def image_root(tmp_path_factory) -> Path:
    """Four classes with five train and seven test images each."""
    root = tmp_path_factory.mktemp("images") / "shapes"
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("test", 7)):
        for name in ("cat", "dog", "red_boat", "pet"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """All but the demo's data sets: to draw one anew takes longer than most tests."""
    drawn = generated.datasets_folder()
    monkeypatch.setattr(generated, "datasets_folder", lambda: drawn)
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "glov-cache"))


@pytest.fixture
def run_config(model_folder, image_root) -> Callable[..., RunConfig]:
    """A configuration on the small images; arguments: model's name, and data and vlm settings."""

    def config(model: str = "clip", seed: int = 0, vlm: Any = None, **data: Any) -> RunConfig:
        return RunConfig.model_validate(
            {
                "seed": seed,
                "data": {"path": str(image_root), "shots": 3, **data},
                "vlm": {"model": str(model_folder(model)), "device": "cpu", **(vlm or {})},
            }
        )

    return config

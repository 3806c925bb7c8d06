"""Where computed and generated files are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

from engine.common.user_path import environment_path, user_path

ENVIRONMENT_VARIABLE = "GLOV_CACHE_DIR"


def cache_folder() -> Path:
    """The folder for image features, answers and generated data sets; it may not exist yet.

    It is ``$GLOV_CACHE_DIR``, or else the platform's cache folder for ``glov``. Everything in it
    can be deleted at any time and is computed again when needed.

    Raises:
        UserError: if it is in a home folder that is not there.
    """
    chosen = environment_path(ENVIRONMENT_VARIABLE)
    if chosen is not None:
        return chosen
    if os.environ.get("XDG_CACHE_HOME", "").startswith("~"):  # platformdirs passes that over
        return user_path(os.environ["XDG_CACHE_HOME"]) / "glov"
    return user_path(user_cache_dir("glov"))


def features_folder() -> Path:
    """Where image features are kept."""
    return cache_folder() / "features"


def answers_folder() -> Path:
    """Where the answers of VLMs are kept."""
    return cache_folder() / "answers"


def seen_folder() -> Path:
    """Where it is kept what the vision towers of VLMs made of images."""
    return cache_folder() / "seen"


def evaluations_folder() -> Path:
    """Where it is kept what templates of no run made of images."""
    return cache_folder() / "evaluations"


def datasets_folder() -> Path:
    """Where generated data sets are kept."""
    return cache_folder() / "datasets"

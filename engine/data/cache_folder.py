"""Where computed and generated files are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

ENVIRONMENT_VARIABLE = "GLOV_CACHE_DIR"


def cache_folder() -> Path:
    """The folder for image features and generated data sets; it may not exist yet.

    It is ``$GLOV_CACHE_DIR``, or else the platform's cache folder for ``glov``. Everything in it
    can be deleted at any time and is computed again when needed.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("glov"))

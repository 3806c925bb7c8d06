"""Where a person's own settings are, which hold for all runs and come with none."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_config_dir

from engine.common.user_path import environment_path, user_path

ENVIRONMENT_VARIABLE = "GLOV_CONFIG_DIR"


def config_folder() -> Path:
    """The folder with the user's own files; it may not exist.

    It is ``$GLOV_CONFIG_DIR``, or else the platform's folder for settings of ``glov``.

    Raises:
        UserError: if it is in a home folder that is not there.
    """
    chosen = environment_path(ENVIRONMENT_VARIABLE)
    if chosen is not None:
        return chosen
    if os.environ.get("XDG_CONFIG_HOME", "").startswith("~"):  # platformdirs passes that over
        return user_path(os.environ["XDG_CONFIG_HOME"]) / "glov"
    return user_path(user_config_dir("glov"))

"""Where data sets are that a person got or had fetched. Unlike the cache it is not made anew."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_dir

from engine.common.user_path import environment_path, user_path

ENVIRONMENT_VARIABLE = "GLOV_DATA_DIR"


def data_folder() -> Path:
    """The folder with a folder for each data set; it may not exist yet.

    It is ``$GLOV_DATA_DIR``, or else ``data`` in the platform's folder for the data of ``glov``.

    Raises:
        UserError: if it is in a home folder that is not there.
    """
    return environment_path(ENVIRONMENT_VARIABLE) or user_path(user_data_dir("glov")) / "data"

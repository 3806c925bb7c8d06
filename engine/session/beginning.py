"""A new run on the disk, before anything is loaded for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.config.toml_file import load_config
from engine.session.config_check import check_config
from engine.storage.journal import Journal
from engine.storage.run_folder import new_run_folder


def begin_run(source: str, overrides: Sequence[str], folder: Path | None) -> Path:
    """Write the first fact of a run of a configuration; returns its folder.

    Args:
        source: a TOML file, or the name of a preset.
        overrides: ``key.path=value``.
        folder: where it is to be; None for a new one in the runs folder.

    Raises:
        UserError: if the configuration is wrong, or the folder can't be written or holds a run.
    """
    config = check_config(load_config(source, list(overrides)))
    folder = folder or new_run_folder(config.name)
    Journal.begin(config, folder).close()
    return folder

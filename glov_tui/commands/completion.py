"""What a shell offers while a command is typed: runs, presets, keys of ``--set``, data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path


def complete_run(incomplete: str) -> Iterator[str]:
    """Names in the runs folder, and ``latest``; a shell completes paths by itself."""
    from engine.storage.run_folder import holds_run

    yield from _in_runs_folder(holds_run, incomplete)


def complete_run_or_sweep(incomplete: str) -> Iterator[str]:
    """The same, and names of sweeps."""
    from engine.sweeps.sweep import holds_run_or_sweep

    yield from _in_runs_folder(holds_run_or_sweep, incomplete)


def _in_runs_folder(is_wanted: Callable[[Path], bool], incomplete: str) -> Iterator[str]:
    from engine.common.errors import JournalError
    from engine.config.run_name import LATEST
    from engine.storage.run_folder import wanted_in_runs_folder

    try:
        names = [path.name for path in wanted_in_runs_folder(is_wanted)]
    except JournalError:
        names = []
    yield from (name for name in [*names, LATEST] if name.startswith(incomplete))


def complete_preset(incomplete: str) -> Iterator[str]:
    """Names of presets."""
    from engine.config.toml_file import preset_names

    yield from (name for name in preset_names() if name.startswith(incomplete))


def complete_key(incomplete: str) -> Iterator[str]:
    """Keys of a configuration, each with its ``=``; after it, the values of those with few."""
    from engine.config.keys import all_keys, few_values, is_table

    key, equals, start = incomplete.partition("=")
    if equals:
        yield from (f"{key}={value}" for value in few_values(key) if value.startswith(start))
        return
    names = (name for name in all_keys() if not is_table(name))
    yield from (f"{name}=" for name in names if name.startswith(incomplete))


def complete_source(incomplete: str) -> Iterator[str]:
    """Forms of data sets."""
    from engine.config.keys import few_values

    yield from (str(v) for v in few_values("data.source") if str(v).startswith(incomplete))


def complete_format(incomplete: str) -> Iterator[str]:
    """Formats of exports."""
    from engine.analysis.export.formats import FORMATS

    yield from (name for name in FORMATS if name.startswith(incomplete))


def complete_dataset(incomplete: str) -> Iterator[str]:
    """Names of data sets."""
    from engine.data.registry import registered_datasets

    yield from (name for name in registered_datasets() if name.startswith(incomplete))

"""What a shell offers while a command is typed: runs, presets, keys of ``--set``, data sets."""

from __future__ import annotations

from collections.abc import Iterator


def complete_run(incomplete: str) -> Iterator[str]:
    """Names in the runs folder, and ``latest``; a shell completes paths by itself."""
    from engine.config.run_name import LATEST, runs_folder
    from engine.storage.run_folder import EVENTS

    try:
        names = sorted(p.name for p in runs_folder().iterdir() if (p / EVENTS).is_file())
    except OSError:
        names = []
    yield from (name for name in [*names, LATEST] if name.startswith(incomplete))


def complete_run_or_sweep(incomplete: str) -> Iterator[str]:
    """The same, and names of sweeps."""
    from engine.config.run_name import runs_folder
    from engine.sweeps.sweep import SWEEP

    yield from complete_run(incomplete)
    try:
        names = sorted(p.name for p in runs_folder().iterdir() if (p / SWEEP).is_file())
    except OSError:
        return
    yield from (name for name in names if name.startswith(incomplete))


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


def complete_dataset(incomplete: str) -> Iterator[str]:
    """Names of data sets."""
    from engine.data.registry import registered_datasets

    yield from (name for name in registered_datasets() if name.startswith(incomplete))

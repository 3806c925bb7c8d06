"""The runs of a table: one for each data set, method and seed, and what is missing for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.common.errors import ConfigError
from engine.common.names import quoted, what_there_is
from engine.config import DataConfig, RunConfig
from engine.config.toml_file import load_config, parse_override, preset_file
from engine.data.catalogue.table import catalogue
from engine.data.readers.catalogue import base_folder, places
from engine.search.dataset_templates import NoTemplatesError, dataset_templates
from engine.session.config_check import check_config
from engine.sweeps.grid import MOST_CELLS, Axis, Cell, Grid
from engine.sweeps.tables.table import METHODS, Table, known_datasets

_OWN_KEYS = ("data.dataset", "search.kind", "search.templates", "steering.mode", "seed", "name")


@dataclass(frozen=True)
class Wanted:
    """What is asked for of a table: all of it, or some data sets, methods and seeds."""

    table: Table
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: tuple[str, ...] = ()  # key.path=value of the command line
    templates: Mapping[str, tuple[str, ...]] | None = None  # of ds-temp, by data set


def wanted(
    table: Table,
    datasets: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
    templates: Mapping[str, tuple[str, ...]] | None = None,
) -> Wanted:
    """What is asked for, with the table's own where nothing is said.

    Raises:
        ConfigError: if there is no such data set or method, one is there twice, or a key is set
            that tells the runs of a table from each other.
    """
    for what, given, known in (
        ("--datasets", datasets, known_datasets()),
        ("--methods", methods, list(METHODS)),
    ):
        for name in given:
            if name not in known:
                raise ConfigError(
                    f"{what} {quoted(name)}: there is none of that name; "
                    f"{what_there_is(name, known)}"
                )
    for what, values in (("--datasets", datasets), ("--methods", methods), ("--seeds", seeds)):
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise ConfigError(f"{what}: {twice[0]} is there twice")
    for override in overrides:
        key, _ = parse_override(override)
        if key in _OWN_KEYS:
            raise ConfigError(
                f"--set {override}: the runs of a table differ in {key}; choose with --datasets, "
                "--methods, --seeds or --templates"
            )
    order = list(METHODS)
    asked = Wanted(
        table=table,
        datasets=tuple(datasets) or table.datasets,
        methods=tuple(sorted(methods, key=order.index)) or table.methods,
        seeds=tuple(seeds) or table.seeds,
        overrides=tuple(overrides),
        templates=templates,
    )
    count = len(asked.datasets) * len(asked.methods) * len(asked.seeds)
    if count > MOST_CELLS:
        raise ConfigError(
            f"the table would have {count:,} runs; {MOST_CELLS:,} is the most. Give fewer --seeds, "
            "--datasets or --methods"
        )
    return asked


def missing_datasets(asked: Wanted) -> list[str]:
    """Data sets that are not on this machine; with those that others' training images are of."""
    data = _configuration(asked, {}).data
    if data.source == "hub":  # downloaded at first use
        return []
    needed = dict.fromkeys(_needed(asked.datasets))
    return [name for name in needed if name in catalogue() and not is_here(name, data)]


def is_here(name: str, data: DataConfig) -> bool:
    """Whether a data set of the catalogue is where a configuration looks for it."""
    found = places(catalogue()[name], base_folder(data))
    return any(data.source in ("auto", place.form) for place in found)


def _needed(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        entry = catalogue().get(name)
        if entry is not None and entry.trained_on:
            yield entry.trained_on
        yield name


def missing_templates(asked: Wanted) -> dict[str, str]:
    """Why DS-TEMP can't be run on data sets: sentences by name."""
    found = {}
    if "ds-temp" in asked.methods:
        for name in asked.datasets:
            try:
                _of_dataset(asked, name)
            except NoTemplatesError as error:
                found[name] = error.why
    return found


def _of_dataset(asked: Wanted, name: str) -> tuple[str, ...]:
    given = (asked.templates or {}).get(name)
    if given is not None:
        return given
    values = {"data.dataset": name, "search.kind": "ds-temp"}
    return dataset_templates(_configuration(asked, values))


def plan_table(asked: Wanted, leave_out: Collection[str] = ()) -> Grid:
    """All runs, data set by data set; of DS-TEMP without those on data sets that are left out.

    Methods that no seed makes a difference to are run once, as seed 0.

    Raises:
        ConfigError: if a configuration is wrong, or there are no templates for ds-temp.
    """
    cells = []
    for dataset in asked.datasets:
        for method in map(METHODS.__getitem__, asked.methods):
            if method.name == "ds-temp" and dataset in leave_out:
                continue
            for seed in asked.seeds if method.seeded else (0,):
                own = {"data.dataset": dataset, **method.settings, "seed": seed}
                extra: dict[str, Any] = {}
                if method.name == "ds-temp":
                    extra["search.templates"] = list(_of_dataset(asked, dataset))
                config = check_config(_configuration(asked, {**own, **extra}))
                if config.llm.is_served:
                    _check_served(asked.methods)
                folder = f"{dataset},{method.name},seed={seed}"
                cells.append(Cell(own, config, folder))
    return Grid(_axes(cells), tuple(cells))


def _check_served(methods: Sequence[str]) -> None:
    if {"glov", "unsteered"} <= set(methods):
        raise ConfigError(
            "llm.kind is openai: an LLM on a server is never steered, so glov and unsteered are "
            "the same runs; leave one of them out with --methods"
        )


def _axes(cells: Sequence[Cell]) -> tuple[Axis, ...]:
    values: dict[str, dict[Any, None]] = {}
    for cell in cells:
        for key, value in cell.values.items():
            values.setdefault(key, {})[value] = None
    return tuple(Axis(key, tuple(found)) for key, found in values.items())


def _configuration(asked: Wanted, values: Mapping[str, Any]) -> RunConfig:
    table = asked.table
    overrides = [*table.settings, *asked.overrides]
    if "data.dataset" not in values:
        values = {"data.dataset": asked.datasets[0], **values}
    return load_config(preset_file(table.preset), overrides, values)


def method_of(values: Mapping[str, Any]) -> str:
    """The method of a run, by its values of the grid; empty where it is none of a table."""
    settings = {key: v for key, v in values.items() if key not in ("data.dataset", "seed")}
    return next((m.name for m in METHODS.values() if dict(m.settings) == settings), "")

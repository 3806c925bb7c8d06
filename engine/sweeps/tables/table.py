"""What a table is: its data sets, its methods, and the figures that the paper has in it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from engine.data.catalogue.table import catalogue
from engine.data.registry import registered_datasets

_FILE = Path(__file__).with_name("paper.toml")


@dataclass(frozen=True, slots=True)
class Method:
    """A column of a table: how its runs differ from the others'."""

    name: str  # as ``--methods`` takes it
    title: str
    settings: Mapping[str, Any]  # configuration keys and values, over the table's preset
    seeded: bool = True  # whether a seed makes a difference on the test split


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("s-temp", "S-TEMP", {"search.kind": "s-temp"}, seeded=False),
        Method("ds-temp", "DS-TEMP", {"search.kind": "ds-temp"}, seeded=False),
        Method("llm-opt", "LLM-OPT", {"search.kind": "llm-opt", "steering.mode": "off"}),
        Method("unsteered", "no steering", {"search.kind": "glov", "steering.mode": "off"}),
        Method("glov", "GLOV", {"search.kind": "glov"}),
        Method(
            "ours",
            "GLOV, our defaults",
            {"search.kind": "glov", "evaluation.select": "greedy", "proposal.accept": "usable"},
        ),
    )
}
"""All methods by name; a table has some of them by itself, and any where it is asked for."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``figures`` are the paper's, in percent, by data set and method."""

    name: str
    title: str
    preset: str
    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...] = ()  # ``key.path=value``, over the preset
    notes: tuple[str, ...] = ()
    figures: Mapping[tuple[str, str], float] = field(default_factory=dict)


@cache
def tables() -> Mapping[str, Table]:
    """All tables by name."""
    found = {}
    for name, row in tomllib.loads(_FILE.read_text(encoding="utf-8")).items():
        methods, figures = tuple(row["methods"]), row.get("figures", {})
        found[name] = Table(
            name=name,
            title=row["title"],
            preset=row["preset"],
            methods=methods,
            datasets=tuple(row.get("datasets", figures)),
            seeds=tuple(row["seeds"]),
            settings=tuple(row.get("settings", ())),
            notes=tuple(row["notes"]),
            figures={
                (dataset, method): figure
                for dataset, numbers in figures.items()
                for method, figure in zip(methods, numbers, strict=True)
            },
        )
    return found


def dataset_title(name: str) -> str:
    """What a table calls a data set."""
    entry = catalogue().get(name)
    return (entry.table or entry.title) if entry is not None else name


def known_datasets() -> list[str]:
    """All that a table can have a row of: what is read by its name alone."""
    return [name for name in registered_datasets() if name not in ("image-folder", "questions")]

"""The grid of a sweep: which configuration keys take which values, and the cells that gives.

A grid is written as ``KEY=VALUE,VALUE,...`` per key. Values are TOML, as in ``--set``; whole
numbers can be given as a range, ``0:5`` (0 to 4) or ``0:20:5`` (0, 5, 10, 15).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.common.errors import ConfigError
from engine.common.wording import counted, listed
from engine.config import RunConfig
from engine.config.keys import is_text
from engine.config.toml_file import load_config, parse_value
from engine.search.unused import is_unused
from engine.session.config_check import check_config

MOST_CELLS = 10_000
"""A sweep of more runs is taken for a mistake."""

_RANGE = re.compile(r"(-?\d+):(-?\d+)(?::(\d+))?")
_MOST_FOLDER_CHARACTERS = 180
_MOST_DIGITS = 20


@dataclass(frozen=True)
class Axis:
    """A configuration key and the values that it takes, distinct and in the order given."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: its values by key, the configuration they give, and its folder's name."""

    values: dict[str, Any]
    config: RunConfig
    folder: str


@dataclass(frozen=True)
class Grid:
    """All cells, in the order of the axes, and sentences on what was left out."""

    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()


def parse_axis(text: str, given: str | None = None) -> Axis:
    """Read ``KEY=VALUE,VALUE,...``.

    Commas within brackets and quotes belong to the value, so that ``steering.layers=[3,4],5`` has
    two values.

    Args:
        text: as above.
        given: what was typed, for messages; by itself it is ``--grid`` and the text.

    Raises:
        ConfigError: naming what can't be read and how it is written.
    """
    given = given or f"--grid {text}"
    key, separator, rest = text.partition("=")
    key = key.strip()
    if not separator or not key or not rest.strip():
        raise ConfigError(
            f"{given}: write it as KEY=VALUE,VALUE,..., e.g. steering.alpha=0.25,0.5,1 or seed=0:5"
        )
    if key == "name":
        raise ConfigError("--grid name: a run's name makes no difference to it; choose another key")
    values: list[Any] = []
    for item in _split(given, rest):
        found = _values(given, key, item)
        if len(values) + len(found) > MOST_CELLS:
            raise ConfigError(f"{given}: more than {MOST_CELLS:,} values")
        values += found
    seen: set[str] = set()
    for value in values:
        shown = json.dumps(value, default=str)
        if shown in seen:
            raise ConfigError(f"{given}: {format_value(value)} is there twice")
        seen.add(shown)
    return Axis(key, tuple(values))


def _split(given: str, rest: str) -> list[str]:
    """The items between commas; a comma within brackets, or quotes that open an item, is kept."""
    items, start, depth, quote = [], 0, 0, ""
    for index, character in enumerate(rest):
        if quote:
            if character == quote and (quote == "'" or not _escaped(rest, index)):
                quote = ""
        elif character in "\"'" and (depth or not rest[start:index].strip()):
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and not depth:
            items.append(rest[start:index])
            start = index + 1
        if depth < 0:
            break
    if depth or quote:
        what = f"the quote {quote}" if quote else "a bracket"
        raise ConfigError(f"{given}: {what} is not closed, or closed twice")
    items.append(rest[start:])
    if not all(item.strip() for item in items):
        raise ConfigError(f"{given}: there is no value before or after one of the commas")
    return items


def _escaped(text: str, index: int) -> bool:
    before = text[:index]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _values(given: str, key: str, item: str) -> Sequence[Any]:
    found = None if is_text(key) else _RANGE.fullmatch(item.strip())
    if found is None:
        return [parse_value(item, key)]
    start, stop, step = found.groups()
    if step is not None and not step.strip("0"):
        raise ConfigError(f"{given}: the range {item.strip()} has a step of 0")
    if max(map(len, (start, stop, step or ""))) > _MOST_DIGITS:
        raise ConfigError(f"{given}: the range has numbers of more than {_MOST_DIGITS} digits")
    numbers = range(int(start), int(stop), int(step or 1))
    if not numbers:
        raise ConfigError(f"{given}: the range {item.strip()} is empty; 0:5 is 0, 1, 2, 3, 4")
    return numbers


def make_grid(source: str, overrides: Sequence[str], axes: Iterable[Axis]) -> Grid:
    """Every combination of the axes' values, the last axis fastest, each with its configuration.

    Cells that differ in nothing but keys that make no difference to them are made once: steering
    keys where steering is off, and what a search does not use.

    Raises:
        ConfigError: if a key is there twice, or a cell's configuration is wrong; names the cell.
    """
    axes = tuple(axes)
    keys = [axis.key for axis in axes]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(f"--grid {twice} is there twice; give all its values in one")
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key in keys:
            raise ConfigError(f"--set {override}: --grid has values of {key} too; give one of them")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_CELLS:
        raise ConfigError(f"the grid has {count:,} runs; {MOST_CELLS:,} is the most")
    cells: list[Cell] = []
    by_config: dict[str, str] = {}
    ignored: dict[str, None] = {}
    folders: set[str] = set()
    for combination in itertools.product(*(axis.values for axis in axes)):
        values = dict(zip(keys, combination, strict=True))
        config = _cell_config(source, overrides, values)
        dropped = [key for key in values if is_unused(config, key)]
        if dropped:
            ignored.update(dict.fromkeys(dropped))
            values = {key: value for key, value in values.items() if key not in dropped}
            config = _cell_config(source, overrides, values)
        identity = config.model_dump_json()
        name = describe(values)
        if by_config.get(identity) == name:
            continue  # it differs in keys only that it does not use
        if identity in by_config:
            raise ConfigError(f"--grid: {name} and {by_config[identity]} are the same run")
        by_config[identity] = name
        cells.append(Cell(values, config, _folder_name(values, keys, folders)))
    notes: tuple[str, ...] = ()
    if ignored and len(cells) < count:
        notes = (
            f"where steering is off or search or VLM do not use it, {listed(tuple(ignored))} can "
            f"make no difference: {counted(len(cells), 'run')} in place of {count}",
        )
    return Grid(axes, tuple(cells), notes)


def _cell_config(source: str, overrides: Sequence[str], values: dict[str, Any]) -> RunConfig:
    try:
        config = check_config(load_config(source, overrides, values))
    except ConfigError as error:
        raise ConfigError(f"{error}\n(found with {describe(values)}; no run was started)") from None
    return config


def format_value(value: Any) -> str:
    """A value as a person would write it on the command line."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def describe(values: dict[str, Any]) -> str:
    """Values by key on one line: ``steering.mode=off, seed=0``."""
    return ", ".join(f"{key}={format_value(value)}" for key, value in values.items())


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Each dotted key's last part, or all of it where two keys end alike."""
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)
    }


def _folder_name(values: dict[str, Any], keys: Sequence[str], taken: set[str]) -> str:
    names = short_names(keys)
    parts = []
    for key, value in values.items():
        listed = isinstance(value, list | tuple)
        text = "+".join(map(format_value, value)) if listed else format_value(value)
        if text.startswith(("/", ".", "~")):
            text = Path(text).name or text
        parts.append(f"{names[key]}={re.sub(r'[^A-Za-z0-9._+-]+', '-', text)}")
    base = ",".join(parts)[:_MOST_FOLDER_CHARACTERS] or "run"
    name, number = base, 1
    while name.lower() in taken:  # some file systems know no upper and lower case
        number += 1
        name = f"{base}-{number}"
    taken.add(name.lower())
    return name

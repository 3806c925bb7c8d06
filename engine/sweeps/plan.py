"""The plan of a sweep on disk: ``sweep.json`` in its folder, with the runs that it is to have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from engine.common.errors import JournalError, UserError
from engine.common.files import write_atomic
from engine.common.validation import problem
from engine.common.wording import counted
from engine.config.old import WrittenConfig
from engine.sweeps.grid import Grid, format_value

SWEEP = "sweep.json"


class PlannedCell(BaseModel):
    """One run: the name of its folder, its values by key, and its configuration."""

    model_config = ConfigDict(frozen=True)

    folder: str
    values: dict[str, Any]
    config: WrittenConfig

    @field_validator("folder")
    @classmethod
    def _within(cls, folder: str) -> str:
        if Path(folder).name != folder or folder in ("", ".", ".."):
            raise ValueError("must be the name of a folder within the sweep's")
        return folder


class Plan(BaseModel):
    """The grid, and the runs that it makes."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    grid: dict[str, tuple[Any, ...]]
    cells: tuple[PlannedCell, ...]


def plan_of(grid: Grid) -> Plan:
    """The plan of a grid's runs."""
    return Plan(
        grid={axis.key: axis.values for axis in grid.axes},
        cells=tuple(
            PlannedCell(folder=cell.folder, values=cell.values, config=cell.config)
            for cell in grid.cells
        ),
    )


def read_plan(folder: Path) -> Plan:
    """The plan in a folder.

    Raises:
        JournalError: if it can't be read.
    """
    path = folder / SWEEP
    try:
        return Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise JournalError(
            f"{path} is damaged, or from another version of glov: {where}: {problem(detail)}"
        ) from None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write it, whole or not at all.

    Raises:
        UserError: if it can't be written.
    """
    try:
        write_atomic(folder / SWEEP, plan.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{folder / SWEEP} can't be written: {error.strerror}") from error


def joined(folder: Path, old: Plan, new: Plan) -> Plan:
    """The runs of both plans, the old ones first.

    Raises:
        UserError: if a run of both has another configuration now.
    """
    known = {cell.folder: cell for cell in old.cells}
    for cell in new.cells:
        before = known.get(cell.folder, cell)
        if before != cell:
            changes = _changes(before.config, cell.config) or "it is another run"
            raise UserError(
                f"{folder} holds {cell.folder} with another configuration: {changes}. Give the "
                "same settings again, or choose another --sweep-dir"
            )
    cells = [*old.cells, *(cell for cell in new.cells if cell.folder not in known)]
    axes = {key: (*old.grid.get(key, ()), *values) for key, values in new.grid.items()}
    grid = {key: tuple(dict.fromkeys(values)) for key, values in (old.grid | axes).items()}
    return Plan(grid=grid, cells=tuple(cells))


def check_same(folder: Path, old: Plan, new: Plan) -> None:
    """See that both plans are one.

    Raises:
        UserError: saying what differs.
    """
    advice = f"Give {folder} the same command again, or choose another --sweep-dir"
    old_grid, new_grid = (json.loads(plan.model_dump_json(include={"grid"})) for plan in (old, new))
    if old_grid != new_grid:
        raise UserError(
            f"{folder} holds a sweep over {_axes(old)}; this one is over {_axes(new)}. {advice}"
        )
    # A key of the configuration can also change which cells there are.
    for before, after in zip(old.cells, new.cells, strict=False):
        if before != after:
            changes = _changes(before.config, after.config) or f"{before.folder} is another run"
            raise UserError(
                f"{folder} holds a sweep with another configuration: {changes}. {advice}"
            )
    if len(old.cells) != len(new.cells):
        raise UserError(f"{folder} holds a sweep of {counted(len(old.cells), 'run')}. {advice}")


def _axes(plan: Plan) -> str:
    return ", ".join(
        f"{key}={','.join(map(format_value, values))}" for key, values in plan.grid.items()
    )


def _changes(before: BaseModel, after: BaseModel, prefix: str = "") -> str:
    found = []
    for key in type(before).model_fields:
        old, new = getattr(before, key), getattr(after, key)
        if isinstance(old, BaseModel) and isinstance(new, BaseModel):
            found.append(_changes(old, new, f"{prefix}{key}."))
        elif old != new:
            found.append(f"{prefix}{key} was {old!r} and is now {new!r}")
    return ", ".join(text for text in found if text)

"""What a call of ``glov reproduce`` would do: what is missing, what is left, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from engine.common.errors import DataError, JournalError
from engine.common.files import check_place
from engine.common.kept import Kept
from engine.common.record import Count
from engine.config import RunConfig
from engine.data.catalogue.table import catalogue
from engine.search.registry import is_steered
from engine.session.loading import OnProgress, Report
from engine.storage.journal import is_begun
from engine.storage.run_record import read_record
from engine.sweeps.grid import Cell, Grid
from engine.sweeps.plan import joined, plan_of, read_plan
from engine.sweeps.sweep import check_free, is_sweep
from engine.sweeps.tables.costs import (
    Amount,
    CostFacts,
    Sizes,
    Speeds,
    amount_of,
    cost_facts,
    sizes_of,
    total,
)
from engine.sweeps.tables.measuring import measure
from engine.sweeps.tables.plan import (
    Wanted,
    is_here,
    missing_datasets,
    missing_templates,
    plan_table,
)


class PlannedTable(TypedDict):
    """What a call would do. Costs are of what is left, at most."""

    table: str
    title: str
    folder: str
    datasets: list[str]
    methods: list[str]
    seeds: list[int]
    planned: Count  # runs
    finished: Count  # of them, already
    missing: list[str]  # data sets that are not on this machine
    without_templates: dict[str, str]  # data sets that DS-TEMP has no templates for, and why
    cost: CostFacts
    not_measured: str | None  # why its times are not known


@dataclass(frozen=True)
class Proposal:
    """A call that was looked through: nothing is begun yet."""

    asked: Wanted
    folder: Path
    grid: Grid
    left: tuple[Cell, ...]  # that are not finished
    missing: tuple[str, ...]
    without_templates: dict[str, str]

    @property
    def can_start(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing and not self.without_templates

    def problem(self) -> str:
        """What is missing and what to do, in sentences."""
        parts = []
        if self.missing:
            listed = ", ".join(self.missing)
            ways = "\n".join(f"  glov datasets {name}" for name in self.missing)
            parts.append(
                f"{'a data set is' if len(self.missing) == 1 else 'data sets are'} not on this "
                f"machine: {listed}. How to get each, and where it is looked for:\n{ways}\n"
                "What is elsewhere is found with --set data.path=FOLDER; with --datasets only some "
                "are run"
            )
        reasons: dict[str, list[str]] = {}
        for name, why in self.without_templates.items():
            reasons.setdefault(why, []).append(name)
        for why, names in reasons.items():
            parts.append(f"DS-TEMP has no templates for {', '.join(names)}: {why}")
        if reasons:
            parts.append(
                "Templates of your own are taken with --templates PATH; --methods can leave "
                "ds-temp out"
            )
        return "\n".join(parts)


def propose(asked: Wanted, folder: Path) -> Proposal:
    """Look at what is asked for, at what is on this machine and at what is done already.

    Raises:
        UserError: if a configuration is wrong, or the folder can't be written or holds something
            else.
    """
    check_place(folder, "a table", "--sweep-dir")  # not after models were loaded and timed
    missing, without = tuple(missing_datasets(asked)), missing_templates(asked)
    grid = plan_table(asked, leave_out=without)
    if is_sweep(folder):
        joined(folder, read_plan(folder), plan_of(grid))
    else:
        check_free(folder, grid)
    left = tuple(cell for cell in grid.cells if not _is_finished(folder / cell.folder))
    return Proposal(asked, folder, grid, left, missing, without)


def _is_finished(folder: Path) -> bool:
    if not is_begun(folder):
        return False
    try:
        return read_record(folder).finished
    except JournalError:  # it is told when it is to be run
        return False


def amounts(proposal: Proposal) -> tuple[Amount, Amount]:
    """What is left asks for, and what one more seed would ask for, at most."""
    sizes: dict[str, Sizes] = {}
    read: set[str] = set()
    found, more = [], []
    for cell in proposal.left:
        name = cell.config.data.dataset
        size = sizes.setdefault(name, sizes_of(cell.config.data))
        found.append(_amount(cell.config, size, first=name not in read))
        read.add(name)
    first = proposal.asked.seeds[0]
    for cell in proposal.grid.cells:
        if cell.config.seed == first and cell.config.steps:
            size = sizes.setdefault(cell.config.data.dataset, sizes_of(cell.config.data))
            more.append(_amount(cell.config, size, first=False))
    return total(found), total(more)


def _amount(config: RunConfig, size: Sizes, first: bool) -> Amount:
    return amount_of(config, size, config.sampling.max_new_tokens, is_steered(config), first)


def timed(proposal: Proposal, kept: Kept, progress: OnProgress, report: Report) -> Speeds:
    """Load the models that the runs need and time them; see ``measure``.

    Raises:
        UserError: if a model or a data set can't be used.
    """
    asking = [c.config for c in proposal.left if c.config.steps] or [
        c.config for c in proposal.left
    ]
    steered = [config for config in asking if is_steered(config)] or asking
    there = {config.data.dataset: config for config in steered if _is_here(config)}
    broken: DataError | None = None
    for config in there.values():
        try:
            return measure(config, True, kept, progress, report)
        except DataError as error:  # its runs will fail; the others need not
            broken = error
    if broken is not None:
        raise broken
    return measure(steered[0], False, kept, progress, report)


def _is_here(config: RunConfig) -> bool:
    name = config.data.dataset
    if name not in catalogue():
        return True
    trained_on = catalogue()[name].trained_on
    needed = [name, *([trained_on] if trained_on else [])]
    return all(is_here(one, config.data) for one in needed)


def planned_facts(
    proposal: Proposal, speeds: Speeds | None, not_measured: str | None = None
) -> PlannedTable:
    """The proposal as plain data."""
    asked = proposal.asked
    amount, another = amounts(proposal)
    return {
        "table": asked.table.name,
        "title": asked.table.title,
        "folder": str(proposal.folder),
        "datasets": list(asked.datasets),
        "methods": list(asked.methods),
        "seeds": list(asked.seeds),
        "planned": len(proposal.grid.cells),
        "finished": len(proposal.grid.cells) - len(proposal.left),
        "missing": list(proposal.missing),
        "without_templates": dict(proposal.without_templates),
        "cost": cost_facts(amount, another, speeds),
        "not_measured": not_measured,
    }

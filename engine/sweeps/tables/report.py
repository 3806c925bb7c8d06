"""A table as facts and as Markdown: ours beside the paper's numbers, and what differs."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence

from typing_extensions import TypedDict

from engine.common.errors import JournalError
from engine.common.record import Count
from engine.common.statistics import spread
from engine.common.wording import counted, numbers
from engine.run import events as ev
from engine.storage.journal import read_journal
from engine.storage.run_record import RunRecord
from engine.sweeps.document import Ended
from engine.sweeps.over_seeds import SpreadFacts, spread_facts
from engine.sweeps.sweep import Sweep
from engine.sweeps.tables.plan import method_of
from engine.sweeps.tables.table import METHODS, Table, dataset_title


class TableCell(TypedDict):
    """One method on one data set: ours over seeds, as shares; the paper's in percent."""

    method: str
    planned: Count  # runs
    ours: SpreadFacts | None  # null: no run is finished
    paper: float | None


class TableRow(TypedDict):
    """One data set."""

    dataset: str
    title: str
    cells: list[TableCell]


class MeanCell(TypedDict):
    """Means over the data sets of which all methods have a number."""

    method: str
    ours: float | None  # a share
    paper: float | None  # in percent


class TableFacts(TypedDict):
    """A table: test accuracy (top-1) of the ensembles, ours beside the paper's."""

    table: str
    title: str
    folder: str
    status: Ended
    methods: list[str]
    seeds: list[int]
    rows: list[TableRow]
    complete: Count  # data sets that the means are over
    means: list[MeanCell]
    differences: list[str]  # what is not as in the paper, in sentences
    failed: dict[str, str]  # reasons by run


def table_facts(
    table: Table,
    sweep: Sweep,
    records: Mapping[str, RunRecord],
    failed: Mapping[str, str],
    status: Ended,
    overrides: Sequence[str] = (),
) -> TableFacts:
    """The table that the runs of a sweep make, as plain data.

    Args:
        table: which.
        sweep: its runs.
        records: of those that were begun, by the name of their job.
        failed: why others failed or can't be read, likewise.
        status: how it ended.
        overrides: settings that are not the table's own.
    """
    found: dict[tuple[str, str], list[RunRecord | None]] = {}
    for job in sweep.jobs:
        values = sweep.values[job.name]
        record = records.get(job.name)
        finished = record if record is not None and record.finished else None
        key = str(values["data.dataset"]), method_of(values)
        found.setdefault(key, []).append(finished)
    seeds = sorted({v["seed"] for v in sweep.values.values() if METHODS[method_of(v)].seeded})
    methods = [name for name in METHODS if any(method == name for _, method in found)]
    names = dict.fromkeys(dataset for dataset, _ in found)
    order = list(table.datasets)
    datasets = sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    rows = [_row(table, dataset, methods, found) for dataset in datasets]
    done = [row for row in rows if all(cell["ours"] is not None for cell in row["cells"])]
    kept = [record for some in found.values() for record in some if record is not None]
    return {
        "table": table.name,
        "title": table.title,
        "folder": str(sweep.folder),
        "status": status,
        "methods": methods,
        "seeds": seeds,
        "rows": rows,
        "complete": len(done),
        "means": [_mean(method, done) for method in methods] if done else [],
        "differences": _differences(table, kept, overrides),
        "failed": dict(failed),
    }


def _row(
    table: Table,
    dataset: str,
    methods: Sequence[str],
    found: Mapping[tuple[str, str], Sequence[RunRecord | None]],
) -> TableRow:
    cells: list[TableCell] = []
    for method in methods:
        runs = found.get((dataset, method), ())
        values = [run.values["ensemble_test_accuracy"] for run in runs if run is not None]
        over = spread([value for value in values if value is not None])
        cells.append(
            {
                "method": method,
                "planned": len(runs),
                "ours": spread_facts(over) if over is not None else None,
                "paper": table.figures.get((dataset, method)),
            }
        )
    return {"dataset": dataset, "title": dataset_title(dataset), "cells": cells}


def _mean(method: str, rows: Sequence[TableRow]) -> MeanCell:
    cells = [cell for row in rows for cell in row["cells"] if cell["method"] == method]
    ours = [cell["ours"]["mean"] for cell in cells if cell["ours"] is not None]
    paper = [cell["paper"] for cell in cells if cell["paper"] is not None]
    return {
        "method": method,
        "ours": math.fsum(ours) / len(ours),
        "paper": math.fsum(paper) / len(paper) if len(paper) == len(rows) else None,
    }


# -- what differs ------------------------------------------------------------------------------


def _differences(table: Table, records: Sequence[RunRecord], overrides: Sequence[str]) -> list[str]:
    found = list(table.notes)
    if overrides:
        found.append(f"set otherwise than in the preset {table.preset}: {', '.join(overrides)}")
    models = [record.models for record in records if record.models is not None]
    asked = list(dict.fromkeys(_short(m.llm) for m in models if m.llm))
    if models:
        llm = f", proposed by {' and '.join(asked)}" if asked else ""
        weights = list(dict.fromkeys(m.vlm_weights.split(" ")[0] for m in models if m.vlm_weights))
        found.append(
            f"scored by {' and '.join(dict.fromkeys(_short(m.vlm) for m in models))} "
            f"({' and '.join(weights) or 'precision unknown'}){llm}"
        )
    for versions in filter(None, dict.fromkeys(map(_versions, models))):
        found.append(f"made with {versions}")
    variants = [r for r in records if r.config.data.dataset.startswith("imagenet-")]
    if variants:
        found.append(
            "prompts for ImageNet's variants are found on ImageNet's training images, as in the "
            "paper; ImageNet-R, -A and -Sketch are tested in full, of which the paper's code tests "
            "a fifth"
        )
    if any(r.config.data.dataset == "resisc45" for r in records):
        found.append(
            "RESISC45's split is not the paper's, which is not to be had, and its templates of "
            "DS-TEMP are four of clip-benchmark's, not OpenAI's"
        )
    return [*found, *_warnings(records)]


def _short(model: str) -> str:
    """A model as people name it: on the hub, or the folder that it is in."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith("/") else model


def _versions(models: ev.ModelsLoaded) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(models.versions.items()))


def _warnings(records: Sequence[RunRecord]) -> list[str]:
    """What was said of data sets while they were read, each once."""
    said: dict[str, None] = {}
    for record in records:
        try:
            events = read_journal(record.folder).events
        except JournalError:
            continue
        for event in itertools.takewhile(_is_before_loading_again, events):
            if isinstance(event, ev.Warned):
                said[f"{dataset_title(record.config.data.dataset)}: {event.message}"] = None
    return list(said)


def _is_before_loading_again(event: ev.Event) -> bool:
    """Until the data set is read; what is said when a run is taken up is not of the data set."""
    return not isinstance(event, ev.ModelsLoaded | ev.RunReopened)


# -- Markdown ----------------------------------------------------------------------------------

_NO_NUMBER = "-"


def markdown(facts: TableFacts) -> str:
    """The table as Markdown: ours, and the paper's in brackets."""
    with_paper = any(cell["paper"] is not None for row in facts["rows"] for cell in row["cells"])
    heads = ["data set", *(METHODS[name].title for name in facts["methods"])]
    lines = [[row["title"], *map(_cell, row["cells"])] for row in facts["rows"]]
    if facts["complete"] > 1:
        name = f"mean of {facts['complete']}"
        if facts["complete"] < len(facts["rows"]):
            name += " complete"
        lines.append([name, *map(_mean_cell, facts["means"])])
    told = "Top-1 test accuracy of the ensemble in percent"
    if with_paper:
        told += ", in brackets the paper's"
    if len(facts["seeds"]) > 1:
        told += f"; mean ± standard deviation over the seeds {numbers(facts['seeds'])}"
    parts = [
        f"# {_heading(facts)}",
        "\n".join(_table([heads, *lines])),
        f"{told}.",
    ]
    if facts["differences"]:
        parts.append("\n".join(_item(text) for text in facts["differences"]))
    if facts["failed"]:
        failed = [_item(f"{name} failed: {why}") for name, why in facts["failed"].items()]
        parts.append("\n".join(failed))
    return "\n\n".join(parts) + "\n"


def _heading(facts: TableFacts) -> str:
    named = f"Table {facts['table']}: " if facts["table"].isdigit() else ""
    title = facts["title"]
    return named + (title if named else title[:1].upper() + title[1:])


def _cell(cell: TableCell) -> str:
    ours = cell["ours"]
    text = _NO_NUMBER
    if ours is not None:
        text = f"{100 * ours['mean']:.1f}"
        if ours["deviation"] is not None:
            text += f" ± {100 * ours['deviation']:.1f}"
        if ours["runs"] < cell["planned"]:
            text += f", {ours['runs']} of {counted(cell['planned'], 'run')}"
    return text if cell["paper"] is None else f"{text} ({cell['paper']:.1f})"


def _mean_cell(cell: MeanCell) -> str:
    ours = _NO_NUMBER if cell["ours"] is None else f"{100 * cell['ours']:.1f}"
    return ours if cell["paper"] is None else f"{ours} ({cell['paper']:.1f})"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table whose columns stand below each other as plain text too."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    rule = ["-" * w if not i else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return [f"| {' | '.join(row)} |" for row in (aligned[0], rule, *aligned[1:])]


def _item(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), 100, initial_indent="- ", subsequent_indent="  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip

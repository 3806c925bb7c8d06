"""``glov datasets``: the data sets that a configuration can name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from engine.data.registry import registered_datasets
from glov_tui.terminal.printing import print_json


def print_datasets(as_json: bool) -> None:
    """Print names and descriptions as a table, or as one JSON document."""
    found = registered_datasets()
    if as_json:
        print_json({d.name: d.summary for d in found.values()})
        return
    table = Table(box=None)
    table.add_column("data.dataset", style="bold")
    table.add_column("what it is")
    for dataset in found.values():
        table.add_row(dataset.name, dataset.summary)
    Console(highlight=False).print(table)

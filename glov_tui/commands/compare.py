"""``glov compare``: groups of runs with intervals, and paired tests against a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.analysis.compare import compare, read_records
from engine.analysis.compare_report import as_dict
from engine.common.errors import JournalError
from engine.sweeps.sweep import run_folders
from glov_tui.commands.headless import say
from glov_tui.common.text import clean
from glov_tui.terminal.comparing import comparison_parts
from glov_tui.terminal.printing import print_json, result_console


def print_comparison(names: Sequence[str], baseline: Sequence[str], as_json: bool) -> None:
    """Compare runs and sweeps, given by folder or by name in the runs folder.

    Raises:
        UserError: if there is no such run, none has a result, or no group has the baseline.
    """
    folders: list[Path] = [folder for name in names for folder in run_folders(name)]
    records, left_out = read_records(folders)
    if not records:
        reasons = "\n".join(f"{folder}: {reason}" for folder, reason in left_out)
        raise JournalError(clean(f"none of the runs can be compared:\n{reasons}", True))
    report = compare(records, baseline, left_out)
    for folder, reason in report.left_out:
        say(f"left out: {folder}: {reason}")
    if as_json:
        print_json(as_dict(report))
        return
    console, plain = result_console()
    for part in comparison_parts(report, plain):
        console.print(part)
